package target

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func mboxRow() Row {
	return Row{
		Name: "mbox", Doc: "path of an mbox file, which is created if it is missing; or a mapping", Form: "mbox:PATH", Short: "path",
		New: func() Target { return newMbox() },
		Parse: func(url string) (_ Target, err error) {
			m := newMbox()
			m.Path, err = config.Absolute(strings.TrimPrefix(url, "mbox:"))
			return m, err
		},
		Recover: map[string]deliver.RecoverFunc{mbox.Kind: mbox.Recover},
	}
}

// mboxTarget is a file of messages. Its Path is absolute.
type mboxTarget struct{ mbox.Options }

func newMbox() *mboxTarget { return &mboxTarget{mbox.Options{LockTimeout: mbox.DefaultLockTimeout}} }

func (*mboxTarget) Kind() string { return "mbox" }
func (m *mboxTarget) ID() string { return "mbox:" + m.Path }

func (m *mboxTarget) Keys() []config.Row {
	return []config.Row{
		config.On("path", "", "path of the file", config.Path(), &m.Path),
		config.On("format", "mboxrd", "how lines that look like separators are quoted: `mboxrd`, `mboxo` or `mboxcl2`", config.OneOf(mbox.MBOXRD, mbox.MBOXO, mbox.MBOXCL2), &m.Format),
		config.On("lock_timeout", "1m", "longest wait for another program's lock", config.Duration(0), &m.LockTimeout),
	}
}

func (*mboxTarget) Check(at config.Place) { at.Needs("path") }

func (m *mboxTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o := m.Options
	o.Log = s.Log
	return mbox.New(o), nil
}

// Needs has the directory: the lock and the index of an mbox are in it.
func (m *mboxTarget) Needs() Needs {
	dirs := []string{filepath.Dir(m.Path)}
	if real, err := filepath.EvalSymlinks(m.Path); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	return Needs{Write: dirs}
}

func (m *mboxTarget) Value() any { return config.PathText(m.Path) }

func (m *mboxTarget) Copies(context.Context, Site) (proof.Copies, error) {
	box, err := mbox.Open(m.Path, m.Format)
	if err != nil {
		return nil, err
	}
	return mboxCopies{box, m.Path}, nil
}

type mboxCopies struct {
	*mbox.Mailbox
	path string
}

// Copy implements proof.Copies.
func (m mboxCopies) Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (string, error) {
	place, found, err := m.Find(ctx, receipt, sum)
	if err != nil {
		return m.path, err
	}
	if !found {
		return m.path, fmt.Errorf("no message with its content: %w", fs.ErrNotExist)
	}
	return m.at(place), m.Mailbox.Copy(w, place)
}

// Holds implements proof.Holder: Find compares the sum and knows the fields
// that readers add.
func (m mboxCopies) Holds(ctx context.Context, receipt string, sum [sha256.Size]byte) (string, bool, error) {
	place, found, err := m.Find(ctx, receipt, sum)
	if err != nil || !found {
		return "no message with its content", false, err
	}
	return m.at(place), true, nil
}

// All implements proof.Lister.
func (m mboxCopies) All(ctx context.Context, fn func(string, func(io.Writer) error) error) error {
	return m.Each(ctx, func(p mbox.Place) error {
		return fn(m.at(p), func(w io.Writer) error { return m.Mailbox.Copy(w, p) })
	})
}

func (m mboxCopies) at(p mbox.Place) string { return fmt.Sprintf("%s at offset %d", m.path, p.Offset) }
