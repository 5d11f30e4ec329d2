// Package toytest is a target for tests: a directory with a file a message. Its
// row and its deliverer show all that a new kind of target costs.
package toytest

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// Row is the row of the toy. Crash, if not nil, is called before a message
// becomes visible.
func Row(crash func()) target.Row {
	return target.Row{
		Name: "toy", Doc: "directory of plain files", Form: "toy:DIR", Short: "dir",
		New: func() target.Target { return &toy{crash: crash} },
		Parse: func(url string) (target.Target, error) {
			dir, err := config.Absolute(strings.TrimPrefix(url, "toy:"))
			return &toy{dir, crash}, err
		},
	}
}

type toy struct {
	dir   string
	crash func()
}

func (*toy) Kind() string { return "toy" }
func (t *toy) ID() string { return "toy:" + t.dir }
func (t *toy) Keys() []config.Row {
	return []config.Row{config.On("dir", "", "directory of the messages", config.Path(), &t.dir)}
}
func (*toy) Check(at config.Place)                                       { at.Needs("dir") }
func (t *toy) Deliverer(target.Site) (deliver.Deliverer, error)          { return t, nil }
func (t *toy) Needs() target.Needs                                       { return target.Needs{Write: []string{t.dir}} }
func (t *toy) Value() any                                                { return config.PathText(t.dir) }
func (t *toy) Copies(context.Context, target.Site) (proof.Copies, error) { return t, nil }
func (*toy) Close() error                                                { return nil }
func (t *toy) Begin(context.Context) (deliver.Batch, error) {
	return &batch{toy: t}, os.MkdirAll(t.dir, 0o700)
}
func (t *toy) path(name string) string { return filepath.Join(t.dir, name) }
func settle(_ context.Context, i deliver.Intent) (deliver.Fate, error) {
	switch err := os.Rename(string(i.Data)+".part", string(i.Data)); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return deliver.Visible, nil
	default:
		return deliver.Unknown, err
	}
}

// Recover implements deliver.Recoverer.
func (*toy) Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	return settle(ctx, i)
}

// Copy implements proof.Copies.
func (t *toy) Copy(_ context.Context, w io.Writer, receipt string, _ [sha256.Size]byte) (string, error) {
	text, err := os.ReadFile(t.path(receipt))
	if err == nil {
		_, err = w.Write(text)
	}
	return t.path(receipt), err
}

// batch is one batch; names are those of its files.
type batch struct {
	*toy
	names []string
}

// Add implements deliver.Batch.
func (b *batch) Add(_ context.Context, e deliver.Envelope, body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b.names = append(b.names, e.UID)
	return os.WriteFile(b.path(e.UID)+".part", text, 0o600)
}

// Prepare implements deliver.Batch.
func (b *batch) Prepare(context.Context) (list []deliver.Intent, err error) {
	for _, name := range b.names {
		list = append(list, deliver.Intent{Kind: "toy", Data: []byte(b.path(name)), Receipt: name})
	}
	return list, nil
}

// Publish implements deliver.Batch.
func (b *batch) Publish(ctx context.Context) (list []deliver.Result) {
	for _, name := range b.names {
		if b.crash != nil {
			b.crash()
		}
		_, err := settle(ctx, deliver.Intent{Data: []byte(b.path(name))})
		list = append(list, deliver.Result{Err: err})
	}
	return list
}

// Abort implements deliver.Batch.
func (b *batch) Abort() error {
	for _, name := range b.names {
		_ = os.Remove(b.path(name) + ".part")
	}
	return nil
}
