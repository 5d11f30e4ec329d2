package account

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// ReadBack opens what the accounts' targets hold for reading. A relay or a
// command cannot be read back; nor can a target that is no longer configured.
func (b *Builder) ReadBack(accounts []*config.Account) func(context.Context, *fetch.Account, string) (fetch.Copies, error) {
	targets := make(map[string]config.Target)
	for _, a := range accounts {
		for _, t := range a.Deliver {
			targets[a.Name+"\x00"+t.ID()] = t
		}
	}
	return func(_ context.Context, a *fetch.Account, id string) (fetch.Copies, error) {
		if a.SetAside != nil && id == a.SetAside.ID {
			return openMaildir(b.Quarantine(a.ID))
		}
		t, ok := targets[a.Name+"\x00"+id]
		switch {
		case ok && t.Kind == config.TargetMaildir:
			return openMaildir(t.Maildir.Path)
		case ok && t.Kind == config.TargetMbox:
			box, err := mbox.Open(t.Mbox.Path, mbox.Format(t.Mbox.Format))
			if err != nil {
				return nil, err
			}
			return mboxCopies{box, t.Mbox.Path}, nil
		}
		return nil, nil
	}
}

type maildirCopies struct {
	path  string
	index *maildir.Index
}

func openMaildir(path string) (fetch.Copies, error) {
	index, err := maildir.NewIndex(path)
	if err != nil {
		return nil, err
	}
	return maildirCopies{path, index}, nil
}

// Copy implements fetch.Copies. A message that a reader moved or flagged is
// found by its receipt.
func (m maildirCopies) Copy(_ context.Context, w io.Writer, receipt string, _ [sha256.Size]byte) (string, error) {
	f, err := m.index.Open(receipt)
	if err != nil {
		return filepath.Join(m.path, receipt), err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return f.Name(), err
}

// Close implements fetch.Copies.
func (maildirCopies) Close() error { return nil }

type mboxCopies struct {
	*mbox.Mailbox
	path string
}

// Copy implements fetch.Copies.
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

// Holds implements fetch.Holder: Find compares the sum and knows the fields
// that readers add.
func (m mboxCopies) Holds(ctx context.Context, receipt string, sum [sha256.Size]byte) (string, bool, error) {
	place, found, err := m.Find(ctx, receipt, sum)
	if err != nil || !found {
		return "no message with its content", false, err
	}
	return m.at(place), true, nil
}

func (m mboxCopies) at(p mbox.Place) string { return fmt.Sprintf("%s at offset %d", m.path, p.Offset) }
