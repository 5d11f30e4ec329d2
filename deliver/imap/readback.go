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

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Reader reads back what was delivered to a mailbox. For one goroutine.
type Reader struct {
	c      *conn
	opened string   // the mailbox that is open, as it is sent
	boxes  []string // those to look in, as they are sent: that of the target first
	listed bool     // all of them are known
	gone   bool     // that of the target is not there: it may have another name now
	held   map[string]*snapshot
}

// Open connects for reading back.
func Open(ctx context.Context, o Options) (*Reader, error) {
	o = o.withDefaults()
	c, err := connect(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	r := &Reader{c: c, held: make(map[string]*snapshot)}
	if err := r.open(); err != nil {
		c.logout()
		return nil, o.failed(err)
	}
	return r, nil
}

// open opens the mailbox. Only the list of mailboxes says that it is not there.
func (r *Reader) open() error {
	if err := r.c.locate(); err != nil {
		return err
	}
	r.boxes = []string{r.c.box.name}
	err := r.enter(r.boxes[0])
	if no := (*refusal)(nil); !errors.As(err, &no) || !missing(no.r) {
		return err
	}
	there, lerr := r.list()
	if lerr != nil {
		return lerr
	}
	if r.gone = !there; r.gone {
		return nil
	}
	return err
}

// enter opens a mailbox, unless it is open.
func (r *Reader) enter(wire string) error {
	if r.opened == wire && r.c.dead == nil {
		return nil
	}
	r.opened, r.c.box.name = "", wire
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
	defer r.c.watch(ctx)()
	where, err = r.copy(ctx, w, at, sum)
	if errors.As(err, new(*refusal)) {
		err = r.c.o.failed(err)
	}
	return where, err
}

func (r *Reader) copy(ctx context.Context, w io.Writer, at receipt, sum [sha256.Size]byte) (string, error) {
	if at.uid != 0 && !r.gone {
		where, err := r.fetch(ctx, w, r.boxes[0], at.uid, at, sum)
		if !errors.Is(err, fs.ErrNotExist) {
			return where, err
		}
	}
	wire, uid, err := r.find(ctx, at, sum)
	switch {
	case r.gone && errors.Is(err, fs.ErrNotExist):
		return nameOf(r.boxes[0]) + ", which is not there any more", err
	case err != nil:
		return "", err
	}
	at.validity = 0 // it was found by its content
	return r.fetch(ctx, w, wire, uid, at, sum)
}

// fetch writes one message to w. It is not there if the UIDVALIDITY is another one.
func (r *Reader) fetch(ctx context.Context, w io.Writer, wire string, uid uint32, at receipt, sum [sha256.Size]byte) (
	where string, err error) {
	where = whereIn(wire, uid)
	out := &content.Unix{W: w, Summer: content.New()}
	err = r.c.insist(ctx, wire, func() error {
		if err := r.enter(wire); err != nil {
			return err
		}
		if at.validity != 0 && at.validity != r.c.box.validity {
			return fmt.Errorf("%s: %w", where, fs.ErrNotExist)
		}
		return r.fetchOpen(out.Again(), uid, at, where)
	})
	if err != nil {
		return where, err
	}
	return where + at.Changes(out.Sums(), sum), out.End()
}

// fetchOpen writes a message of the open mailbox to out.
func (r *Reader) fetchOpen(out *content.Unix, uid uint32, at receipt, where string) error {
	listed, got := false, false
	err := r.c.bodies([]uint32{uid}, "", func(n int64, body io.Reader) error {
		if n > 4*at.size+1<<20 {
			return fmt.Errorf("%w: %s has %d octets in place of %d", errProtocol, where, n, at.size)
		}
		_, err := io.CopyBuffer(out, body, r.c.scratch())
		return err
	}, func(found uint32, size int64) { listed, got = listed || found == uid, got || size >= 0 })
	switch {
	case err != nil || got:
		return err
	case listed: // BODY[] NIL
		return r.unserved("the server has %s and no text for it", where)
	}
	return fmt.Errorf("%s: %w", where, fs.ErrNotExist)
}

func (r *Reader) unserved(format string, args ...any) error {
	return r.c.o.failure(deliver.Failed, Unserved, "FETCH", fmt.Errorf(format, args...))
}

// find looks for a message by content: in the mailbox, then in all others. One that
// the server has changed is taken if there is no other.
func (r *Reader) find(ctx context.Context, at receipt, sum [sha256.Size]byte) (wire string, uid uint32, err error) {
	var failed error // what may be the message could not be read
	for i := 0; i < len(r.boxes); i++ {
		if i == 0 && r.gone {
			continue
		}
		s, err := r.matching(ctx, r.boxes[i], at)
		switch {
		case errors.As(err, new(*refusal)) && i > 0: // no right to read it, or it is gone
			continue
		case isUnserved(err):
			failed = err
			continue
		case err != nil:
			return "", 0, err
		}
		if s.left > 0 {
			failed = r.unserved("%d messages of %s cannot be read", s.left, nameOf(r.boxes[i]))
		}
		for _, e := range s.candidates(at.any()) {
			switch have := s.sums[e.uid]; {
			case have.Exact == sum:
				return r.boxes[i], e.uid, nil
			case have == remote.Unserved:
				failed = r.unserved("%s uid %d cannot be read", nameOf(r.boxes[i]), e.uid)
			case uid == 0 && (have.LooseText() == at.Loose || i == 0 && at.uid == 0 && e.uid >= at.next && e.id == idDigest(at.ID)):
				wire, uid = r.boxes[i], e.uid
			}
		}
		if i == 0 && uid == 0 {
			if _, err := r.list(); err != nil {
				return "", 0, err
			}
		}
	}
	switch {
	case uid != 0:
		return wire, uid, nil
	case failed != nil:
		return "", 0, failed
	}
	return "", 0, fmt.Errorf("%s: %w", nameOf(r.boxes[0]), fs.ErrNotExist)
}

// matching lists a mailbox, and reads the sums of what may be the messages of receipts.
func (r *Reader) matching(ctx context.Context, wire string, at ...receipt) (*snapshot, error) {
	s := r.held[wire]
	if s == nil {
		err := r.c.insist(ctx, wire, func() (err error) {
			r.opened, r.c.box.name = "", wire
			s, err = r.c.snapshot(ctx, 0, 1)
			return err
		})
		if err != nil {
			return nil, err
		}
		r.opened, r.held[wire] = wire, s
	}
	var want []*intent
	for _, at := range at {
		if in := at.any(); len(s.candidates(in)) > 0 {
			want = append(want, in)
		}
	}
	if want == nil {
		return s, nil
	}
	if err := r.enter(wire); err != nil {
		return nil, err
	}
	return s, r.c.readCandidates(ctx, s, want)
}

// any finds the message of a receipt wherever it is.
func (at receipt) any() *intent { return &intent{Mark: remote.Mark{ID: at.ID, Size: at.size}} }

// list adds all other mailboxes, that of all mail (RFC 6154) first and without the trash,
// which servers empty, and reports whether that of the target is among them. It asks once.
func (r *Reader) list() (there bool, err error) {
	if r.listed {
		return !r.gone, nil
	}
	own := r.boxes[0]
	there = own == `"INBOX"`
	_, err = r.c.command("LIST", `LIST "" "*"`, func(l *reply) {
		if l.name != "LIST" || len(l.vals) < 3 || len(r.boxes) > maxBoxes {
			return
		}
		wire, attrs := quote(l.vals[2].String()), strings.ToLower(strings.Join(texts(l.vals[0].list), " "))
		switch {
		case strings.Contains(attrs, `\noselect`), strings.Contains(attrs, `\nonexistent`):
		case wire == own:
			there = true
		case slices.Contains(strings.Fields(attrs), `\trash`):
		case strings.Contains(attrs, `\all`):
			r.boxes = slices.Insert(r.boxes, 1, wire)
		default:
			r.boxes = append(r.boxes, wire)
		}
	})
	r.listed = err == nil
	return there, err
}

// maxBoxes bounds how many mailboxes are searched.
const maxBoxes = 10_000

func whereIn(wire string, uid uint32) string { return fmt.Sprintf("%s uid %d", nameOf(wire), uid) }

// nameOf is a mailbox's name for people.
func nameOf(wire string) string {
	return remote.Clean(decodeName(strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.Trim(wire, `"`))))
}
