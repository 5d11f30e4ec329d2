package session

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"io"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A unique-id, or an equal header, is what a server says about a message; only its
// content says that it was delivered. So before a message is deleted that this
// session did not deliver, it is retrieved once more and compared with the
// record, unless its unique-id is of a form that is never given twice
// (uidform.go). Another message than the one on record is a new one.

// likeness is what a second look at a message came to.
type likeness uint8

const (
	notCompared likeness = iota // the server did not send it, or nothing on record can be compared
	sameMessage
	otherMessage
)

// Sums are the SHA-256 sums of a message as the server sends it: of all of it, and
// of its content (see state.Entry).
type Sums struct{ raw, content [sha256.Size]byte }

// sumsOf reads a message to its end.
func sumsOf(in *bufio.Reader) (s Sums, err error) {
	h, err := header.Read(in)
	if err != nil {
		return s, err
	}
	sum := sha256.New()
	r, content := header.OwnContent(h, in, false)
	if _, err := io.Copy(sum, r); err != nil {
		return s, err
	}
	s.raw, s.content = [sha256.Size]byte(sum.Sum(nil)), content()
	s.content = cmp.Or(s.content, s.raw)
	return s, nil
}

// like compares a message with an entry. Traced says that a field of ours may be
// in the sum of an entry that has no other.
func (s Sums) like(e *state.Entry, traced bool) likeness {
	want := e.Content
	none := want == [sha256.Size]byte{}
	if none {
		want = e.SHA256
	}
	switch {
	case e.SHA256 == ([sha256.Size]byte{}):
		return notCompared
	case s.content == want, s.raw == e.SHA256:
		return sameMessage
	case none && traced:
		return notCompared
	}
	return otherMessage
}

// mustCompare reports whether a message may be deleted only after a comparison.
// A person who trusts an imported list has decided that.
func (b *Book) mustCompare(k state.Key, neverReused bool) bool {
	e, ok := b.Entry(k)
	return !ok || e.Source == state.Fetched && (e.ByHeader || !neverReused)
}

// likeness looks for a message among all that were delivered under its
// unique-id: their order in a listing may have changed.
func (n *identity) likeness(k state.Key, s Sums) likeness {
	const holes = 4 // keys that were forgotten between others
	found := notCompared
	for nth, misses := 0, 0; misses < holes; nth++ {
		e, ok := n.book.Entry(state.NewKey(k.UID(), nth))
		if !ok {
			misses++
			continue
		}
		switch s.like(&e, n.book.Policy.Received) {
		case sameMessage:
			if e.Done {
				return sameMessage
			}
		case otherMessage:
			if e.Key == k {
				found = otherMessage
			}
		}
	}
	return found
}

// lookAt retrieves messages for their sums alone. Fn is not called for one that
// the server does not send, or that is in doubt: that proves nothing, and doubt,
// unless it is nil, gets the reason.
func (n *identity) lookAt(ctx context.Context, items []plan.Item, fn func(i int, s Sums), doubt func(i int, why error)) error {
	n.book.Journal.Enter(ledger.Retrieving)
	in := bufio.NewReaderSize(nil, header.MaxSize)
	at := make(map[int]int, len(items))
	for i := range items {
		at[items[i].Num] = i
	}
	limit := &serverLimit{}
	return limit.take(items, func(some []plan.Item) ([]plan.Item, error) {
		asked := 0
		err := n.client.Retrieve(ctx, plan.Messages(some), func(m pop3.Message, body io.Reader, refused error) error {
			asked++
			if refused != nil {
				if limit.refused(items[at[m.Num]], refused) && limit.enough() {
					return pop3.ErrEnough
				}
				return nil
			}
			limit.came()
			src := n.meter.source(ctx, n.client, body)
			in.Reset(src)
			switch s, err := sumsOf(in); {
			case err == nil:
				fn(at[m.Num], s)
			case !src.doubt:
				return err
			case doubt != nil:
				doubt(at[m.Num], src.err)
			}
			return nil
		})
		return some[asked:], err
	})
}

// comparison is what compare found out.
type comparison struct{ same, other map[state.Key]bool }

// compare looks at messages once more and records what came of it: another
// message is unknown from then on.
func (n *identity) compare(ctx context.Context, items []plan.Item, doubt func(*plan.Item, error)) (comparison, error) {
	out := comparison{make(map[state.Key]bool), make(map[state.Key]bool)}
	n.book.Journal.Log.Info("comparing with what was delivered", "messages", len(items))
	found := make([]likeness, len(items))
	err := n.lookAt(ctx, items, func(i int, s Sums) { found[i] = n.likeness(items[i].Key, s) },
		func(i int, why error) { doubt(&items[i], why) })
	if err != nil {
		return out, err
	}
	change := &state.Change{}
	for i, it := range items {
		switch found[i] {
		case sameMessage:
			out.same[it.Key] = true
			if e, ok := n.book.Entry(it.Key); ok && e.ByHeader {
				e.ByHeader = false
				change.Put = append(change.Put, e)
			}
		case otherMessage:
			out.other[it.Key] = true
			change.Forget = append(change.Forget, it.Key)
		}
	}
	n.book.noteCompared(len(out.other), len(items)-len(out.same)-len(out.other))
	return out, n.book.applyCompared(change)
}

// noteCompared says what a comparison found.
func (b *Book) noteCompared(other, unclear int) {
	if other > 0 {
		b.Journal.Note("the server uses unique-ids again: " + ledger.Counted(other, "new message") + " recognised by the content")
	}
	if unclear > 0 {
		b.Journal.Note(ledger.Counted(unclear, "message") + " could not be compared with what was delivered under the same unique-id, and so not deleted; a later run tries again")
	}
}

// Same reports whether a message that was read to its end is that of an entry,
// and whether it differs in fields that servers add to the messages they keep.
func (s Sums) Same(e *state.Entry) (same, marked bool) {
	return s.like(e, false) == sameMessage, s.raw != e.SHA256
}

// LookAt retrieves messages for their sums alone. Fn is not called for one that
// the server does not send, or that is in doubt.
func (s *Session) LookAt(ctx context.Context, items []plan.Item, fn func(i int, sums Sums)) error {
	return s.names.lookAt(ctx, items, fn, nil)
}

// A unique-id should never be given twice (RFC 1939 section 7), but some
// servers give it to a new message once the old one is deleted. Others go on to
// list what they said they deleted. So a message that is listed under a unique-id
// whose deletion was confirmed is neither passed over nor deleted before it was
// compared: by its header, which tells most other messages, and then by its
// content (samebody.go).

// matchReused compares headers. A new message under an old unique-id is unknown
// from then on. The plan is then made anew.
func (n *identity) matchReused(ctx context.Context, list []pop3.Message, p *plan.Plan) error {
	if err := n.settleReused(ctx, p.Reappeared(), plan.NeverReused(list)); err != nil || len(n.compared) == 0 {
		return err
	}
	var err error
	*p, err = n.diff(list)
	return err
}

// settleReused compares headers and records what came of it.
func (n *identity) settleReused(ctx context.Context, items []plan.Item, neverReused bool) error {
	change, err := n.compareReused(ctx, items, neverReused)
	if err != nil || len(n.compared) == 0 {
		return err
	}
	return n.book.applyCompared(change)
}

// compareReused fills n.compared with what can be decided without the bodies,
// for the next diff, and returns what is to be recorded of it. It changes nothing.
func (n *identity) compareReused(ctx context.Context, items []plan.Item, neverReused bool) (*state.Change, error) {
	n.compared = nil
	if len(items) == 0 {
		return nil, nil
	}
	items, n.compared = n.confirmedGone(items, neverReused)
	prints, err := n.fingerprints(ctx, plan.Messages(items))
	if err != nil {
		return nil, err
	}
	change := &state.Change{}
	for i, p := range prints {
		e, ok := n.book.Entry(items[i].Key)
		switch {
		case !ok || p == nil || e.Fingerprint.IsZero():
		case *p != e.Fingerprint:
			n.compared[e.Key] = true
			change.Forget = append(change.Forget, e.Key)
		case neverReused:
			n.compared[e.Key] = false
		}
	}
	if forgotten := len(change.Forget); forgotten > 0 {
		n.book.Journal.Note("the server uses unique-ids of deleted messages again: " + ledger.Counted(forgotten, "new message") + " recognised by the header")
	}
	return change, nil
}

// confirmedGone leaves out the messages whose deletion was asked for and never
// confirmed: they may just be there still. Where no unique-id is given twice
// they are known to be the same, else only their content tells.
func (n *identity) confirmedGone(items []plan.Item, neverReused bool) (gone []plan.Item, compared map[state.Key]bool) {
	compared = make(map[state.Key]bool)
	for _, it := range items {
		if e, ok := n.book.Entry(it.Key); !ok || !e.Asked {
			gone = append(gone, it)
		} else if neverReused && e.Deleted.IsZero() {
			compared[it.Key] = false
		}
	}
	return gone, compared
}

// reusedUIDs reports whether this session listed another message than the one
// that is known.
func (n *identity) reusedUIDs() bool {
	for _, other := range n.compared {
		if other {
			return true
		}
	}
	return false
}
