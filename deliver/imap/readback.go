package imap

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
)

// Reader reads back what was delivered to a mailbox. For one goroutine.
type Reader struct {
	c      *conn
	opened string // the mailbox that is open, as it is sent
	boxes  []string
	held   map[string]*snapshot // by mailbox, as it is sent
}

// Open connects for reading back. The error is fs.ErrNotExist if the mailbox is not
// there.
func Open(ctx context.Context, o Options) (*Reader, error) {
	o = o.withDefaults()
	c, err := connect(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	r := &Reader{c: c, held: make(map[string]*snapshot)}
	if err = c.locate(); err == nil {
		err = r.enter(c.box.wire)
	}
	var no *refusal
	if errors.As(err, &no) && missing(no.r) {
		err = fmt.Errorf("%s: mailbox %s: %w (%s)", o.name(), o.Mailbox, fs.ErrNotExist, no.r.line())
	} else if err != nil {
		err = o.failed(err)
	}
	if err != nil {
		c.logout()
		return nil, err
	}
	r.boxes = []string{c.box.wire}
	return r, nil
}

// enter opens a mailbox, unless it is open.
func (r *Reader) enter(wire string) error {
	if r.opened == wire {
		return nil
	}
	r.opened, r.c.box.wire = "", wire
	if err := r.c.open("EXAMINE"); err != nil {
		return err
	}
	r.opened = wire
	return nil
}

// Close says LOGOUT and closes the connection.
func (r *Reader) Close() error {
	r.c.logout()
	return nil
}

// Copy writes the message of a receipt to w, with LF line ends, and says where it is:
// "INBOX uid 17", with what the server is known to have changed. If it is not there, one with this
// sum (SHA-256 with LF line ends) is looked for in all mailboxes. The error is
// fs.ErrNotExist if there is none.
func (r *Reader) Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (where string, err error) {
	at, err := parseReceipt(receipt)
	if err != nil {
		return "", err
	}
	stop := r.c.watch(ctx)
	defer stop()
	where, err = r.copy(w, at, sum)
	if errors.As(err, new(*refusal)) {
		err = r.c.o.failed(err)
	}
	return where, err
}

func (r *Reader) copy(w io.Writer, at receipt, sum [sha256.Size]byte) (string, error) {
	if err := r.enter(r.boxes[0]); err != nil {
		return "", err
	}
	if at.uid != 0 && at.validity == r.c.box.validity {
		if where, err := r.fetch(w, at.uid, at, sum); !errors.Is(err, fs.ErrNotExist) {
			return where, err
		}
	}
	wire, uid, err := r.find(at, sum)
	if err == nil {
		err = r.enter(wire)
	}
	if err != nil {
		return "", err
	}
	return r.fetch(w, uid, at, sum)
}

// fetch writes one message of the open mailbox to w.
func (r *Reader) fetch(w io.Writer, uid uint32, at receipt, sum [sha256.Size]byte) (where string, err error) {
	where = fmt.Sprintf("%s uid %d", nameOf(r.opened), uid)
	out := &content.Unix{W: w, Summer: content.New()}
	got := false
	tag := r.c.sendAs("FETCH", fmt.Sprintf("UID FETCH %d (UID BODY.PEEK[])", uid), "")
	_, err = r.c.finish("FETCH", tag, nil, func(n int64, body io.Reader) error {
		if n > 4*at.size+1<<20 {
			return fmt.Errorf("%w: %s has %d octets in place of %d", errProtocol, where, n, at.size)
		}
		got = true
		_, err := io.CopyBuffer(out, body, r.c.scratch())
		return err
	})
	switch {
	case err != nil:
		return where, err
	case !got:
		return where, fmt.Errorf("%s: %w", where, fs.ErrNotExist)
	}
	return where + at.changes(out.Sums(), sum), out.End()
}

// changes says what the server is known to have changed of a message.
func (at receipt) changes(have content.Sums, sum [sha256.Size]byte) string {
	switch {
	case have.Exact == sum:
		return ""
	case have.LooseText() == at.loose:
		return " (8-bit bytes in header fields, or line ends, were changed by the server)"
	}
	return " (the text was changed)"
}

// find looks for a message by content: in the mailbox, then in all others. One that
// the server has changed is taken from the mailbox only.
func (r *Reader) find(at receipt, sum [sha256.Size]byte) (wire string, uid uint32, err error) {
	var changed uint32
	for i := 0; i < len(r.boxes); i++ {
		s, found, err := r.matching(r.boxes[i], at)
		if errors.As(err, new(*refusal)) && i > 0 { // no right to read it, or it is gone
			continue
		}
		if err != nil {
			return "", 0, err
		}
		for _, e := range found {
			have := s.sums[e.uid]
			if have.Exact == sum {
				return r.boxes[i], e.uid, nil
			}
			if i == 0 && (have.LooseText() == at.loose || at.uid == 0 && e.uid >= at.next && e.id == idDigest(at.id)) {
				changed = e.uid
			}
		}
		if i == 0 && changed == 0 {
			if err := r.list(); err != nil {
				return "", 0, err
			}
		}
	}
	if changed != 0 {
		return r.boxes[0], changed, nil
	}
	return "", 0, fmt.Errorf("%s: %w", nameOf(r.boxes[0]), fs.ErrNotExist)
}

// matching returns the messages of a mailbox that may be the one of a receipt, with
// their sums read.
func (r *Reader) matching(wire string, at receipt) (*snapshot, []entry, error) {
	s := r.held[wire]
	if s == nil {
		r.opened, r.c.box.wire = "", wire
		var err error
		if s, err = r.c.snapshot(0, 1); err != nil {
			return nil, nil, err
		}
		r.opened, r.held[wire] = wire, s
	}
	in := &intent{ID: at.id, Size: at.size}
	if len(s.candidates(in)) == 0 {
		return s, nil, nil
	}
	if err := r.enter(wire); err != nil {
		return nil, nil, err
	}
	return s, s.candidates(in), r.c.readCandidates(s, []*intent{in})
}

// list adds all other mailboxes, that of all mail (RFC 6154) first.
func (r *Reader) list() error {
	if len(r.boxes) > 1 {
		return nil
	}
	_, err := r.c.command("LIST", `LIST "" "*"`, func(l *reply) {
		if l.name != "LIST" || len(l.vals) < 3 || len(r.boxes) > maxBoxes {
			return
		}
		wire, attrs := quote(l.vals[2].String()), strings.ToLower(strings.Join(texts(l.vals[0].list), " "))
		switch {
		case slices.Contains(r.boxes, wire), strings.Contains(attrs, `\noselect`), strings.Contains(attrs, `\nonexistent`):
		case strings.Contains(attrs, `\all`):
			r.boxes = slices.Insert(r.boxes, 1, wire)
		default:
			r.boxes = append(r.boxes, wire)
		}
	})
	return err
}

// maxBoxes bounds how many mailboxes are searched.
const maxBoxes = 10_000

// nameOf is a mailbox's name for people.
func nameOf(wire string) string {
	return clean(decodeName(strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.Trim(wire, `"`))))
}
