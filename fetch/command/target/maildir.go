package target

import (
	"context"
	"crypto/sha256"
	"io"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

func maildirRow() Row {
	return Row{
		Name: "maildir", Doc: "path of a Maildir, which is created if it is missing; or a mapping", Form: "maildir:PATH", Short: "path",
		New: func() Target { return new(maildirTarget) },
		Parse: func(url string) (Target, error) {
			path, err := config.Absolute(strings.TrimPrefix(url, "maildir:"))
			return Maildir(path), err
		},
		Propose: proposeMaildir,
		Recover: map[string]deliver.RecoverFunc{maildir.Kind: maildir.Recover, maildir.SkipKind: maildir.RecoverSkip},
	}
}

// maildirTarget is a directory of messages. Its path is absolute.
type maildirTarget struct{ path string }

// Maildir is the target of the Maildir at an absolute path.
func Maildir(path string) Target { return &maildirTarget{path} }

func (*maildirTarget) Kind() string { return "maildir" }
func (m *maildirTarget) ID() string { return "maildir:" + m.path }

func (m *maildirTarget) Keys() []config.Row {
	return []config.Row{config.On("path", "", "directory of the Maildir", config.Path(), &m.path)}
}

func (*maildirTarget) Check(at config.Place) { at.Needs("path") }

// Deliverer looks for duplicates if the account wants that.
func (m *maildirTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	d := maildir.New(maildir.Options{Path: m.path, Syncer: s.Syncer})
	dedupe := s.Account.Dedupe
	if dedupe.By == config.DedupeOff || dedupe.Action == config.DuplicateDeliver {
		return d, nil
	}
	cache := filepath.Join(s.StateDir, "dedupe", filepath.Base(state.Path("", m.path)))
	by := maildir.SameContent
	if dedupe.By == config.DedupeMessageID {
		by = maildir.SameMessageID
	}
	return maildir.NewDedupe(d, maildir.NewExisting(m.path, cache), by, dedupe.Action == config.DuplicateTag), nil
}

func (m *maildirTarget) Needs() Needs { return Needs{Write: []string{m.path}} }
func (m *maildirTarget) Value() any   { return config.PathText(m.path) }

func (m *maildirTarget) Copies(context.Context, Site) (proof.Copies, error) {
	index, err := maildir.NewIndex(m.path)
	if err != nil {
		return nil, err
	}
	return maildirCopies{m.path, index}, nil
}

type maildirCopies struct {
	path  string
	index *maildir.Index
}

// Copy implements proof.Copies. The receipt also finds a message that a reader
// moved or flagged.
func (m maildirCopies) Copy(_ context.Context, w io.Writer, receipt string, _ [sha256.Size]byte) (string, error) {
	f, err := m.index.Open(receipt)
	if err != nil {
		return filepath.Join(m.path, receipt), err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return f.Name(), err
}

// Close implements proof.Copies.
func (maildirCopies) Close() error { return nil }
