package jmap

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Reader reads back what was delivered to a mailbox. For one goroutine.
type Reader struct {
	s     *session
	boxes []mailbox
	box   string // the id of the mailbox; empty: it is gone
}

// Open connects for reading back.
func Open(ctx context.Context, o Options) (*Reader, error) {
	o = o.withDefaults()
	s, err := discover(ctx, &o)
	if err != nil {
		return nil, err
	}
	r := &Reader{s: s}
	if r.boxes, err = s.mailboxes(ctx); err != nil {
		return nil, o.failed(err)
	}
	if box, missing := find(r.boxes, o.Mailbox); len(missing) == 0 {
		r.box = box.ID
	}
	return r, nil
}

// Close closes the connections.
func (r *Reader) Close() error {
	r.s.o.Client.Close()
	return nil
}

// Copy writes the message of a receipt to w, with LF line ends, and says where it is:
// "Inbox email Mf40b5f831efa", with what the server is known to have changed. If it is
// not there, one with this sum (SHA-256 with LF line ends) is looked for in all
// mailboxes. The error is fs.ErrNotExist if there is none: what lies in the trash does not stay.
func (r *Reader) Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (where string, err error) {
	at, err := parseReceipt(receipt)
	if err != nil {
		return "", err
	}
	if at.email != "" {
		list, err := r.s.emails(ctx, []string{at.email})
		there := err == nil && len(list) == 1 && r.stays(&list[0])
		if there {
			where, _, err = r.read(ctx, w, &list[0], at, sum)
		}
		if err != nil && !errors.Is(err, errGone) {
			return where, r.s.o.failed(err)
		}
		if err == nil && there {
			return where, nil
		}
		if err == nil && len(list) == 1 {
			where = r.where(&list[0]) // the trash
		}
	}
	e, err := r.find(ctx, at, sum)
	if err == nil && e == nil {
		return where, fmt.Errorf("%s: %w", remote.Clean(r.s.o.Mailbox), fs.ErrNotExist)
	}
	if err == nil {
		where, _, err = r.read(ctx, w, e, at, sum)
	}
	if err != nil {
		return where, r.s.o.failed(err)
	}
	return where, nil
}

// read writes one message to w, and returns its SHA-256.
func (r *Reader) read(ctx context.Context, w io.Writer, e *email, at receipt, sum [sha256.Size]byte) (string, [sha256.Size]byte, error) {
	where := r.where(e)
	out := &content.Unix{W: w, Summer: content.New()}
	err := r.s.get(ctx, out, e.Blob, at.size)
	if err == nil {
		err = out.End()
	}
	if err != nil {
		return where, sum, err
	}
	have := out.Sums()
	return where + at.Changes(have, sum), have.Exact, nil
}

// stays reports whether an Email is in the mailbox, or elsewhere than in the trash, which
// servers empty.
func (r *Reader) stays(e *email) bool {
	for id := range e.Mailboxes {
		if id == r.box || !slices.ContainsFunc(r.boxes, func(b mailbox) bool { return b.ID == id && b.Role == "trash" }) {
			return true
		}
	}
	return false
}

// where names the mailboxes of an Email, and it.
func (r *Reader) where(e *email) string {
	var names []string
	for id := range e.Mailboxes {
		names = append(names, path(r.boxes, id))
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + " email " + remote.Clean(e.ID)
}

// find looks for a message by content: anywhere, and one that the server has changed in
// the mailbox only. Nil: there is none.
func (r *Reader) find(ctx context.Context, at receipt, sum [sha256.Size]byte) (changed *email, err error) {
	ids, err := r.s.query(ctx, at.ID, at.date)
	if err != nil {
		return nil, err
	}
	list, err := r.s.emails(ctx, ids)
	if err != nil {
		return nil, err
	}
	in := &intent{Mark: remote.Mark{ID: at.ID, Size: at.size}}
	p := &past{emails: slices.DeleteFunc(list, func(e email) bool { return !r.stays(&e) })}
	for _, e := range p.candidates(in) {
		have, err := r.s.sums(ctx, e.Blob, e.Size)
		switch {
		case errors.Is(err, errGone):
		case err != nil:
			return nil, err
		case have.Exact == sum:
			return &e, nil
		case e.Mailboxes[r.box] && have.LooseText() == at.Loose:
			changed = &e
		}
	}
	return changed, nil
}
