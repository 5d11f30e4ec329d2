package fetch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A unique-id, or an equal header, is what a server says of a message; only its
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

// bodySums are the sums of a message as the server sends it: of all of it, and
// of its content (see state.Entry).
type bodySums struct{ raw, content [sha256.Size]byte }

// sumsOf reads a message to its end.
func sumsOf(in *bufio.Reader) (s bodySums, err error) {
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
	if s.content == ([sha256.Size]byte{}) {
		s.content = s.raw
	}
	return s, nil
}

// like compares a message with an entry. Traced says that a field of ours may be
// in the sum of an entry that has no other.
func (s bodySums) like(e *state.Entry, traced bool) likeness {
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

// mustCompare reports whether a message that was delivered may be deleted only
// after a comparison. A person who trusts an imported list has decided that.
func mustCompare(e *state.Entry, neverReused bool) bool {
	return e.Source == state.Fetched && (e.ByHeader || !neverReused)
}

// likeness looks for a message among all that were delivered under its
// unique-id: their order in a listing may have changed.
func (r *run) likeness(k state.Key, s bodySums) likeness {
	const holes = 4 // keys that were forgotten between others
	found := notCompared
	for nth, misses := 0, 0; misses < holes; nth++ {
		e, ok := r.entry(state.NewKey(k.UID(), nth))
		if !ok {
			misses++
			continue
		}
		switch s.like(&e, r.a.Policy.Received) {
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

// compareBodies retrieves messages that are known and compares them. It stores
// nothing.
func (r *run) compareBodies(ctx context.Context, c *pop3.Client, items []plan.Item) ([]likeness, error) {
	out := make([]likeness, len(items))
	err := r.lookAt(ctx, c, items, func(i int, s bodySums) { out[i] = r.likeness(items[i].Key, s) },
		func(i int, why error) { r.doubtful(&items[i], why) })
	return out, err
}

// lookAt retrieves messages for their sums alone. Fn is not called for one that
// the server does not send, or that is in doubt: that proves nothing, and is told
// to doubt, unless that is nil.
func (r *run) lookAt(ctx context.Context, c *pop3.Client, items []plan.Item, fn func(i int, s bodySums), doubt func(i int, why error)) error {
	r.enter(Retrieving)
	in := bufio.NewReaderSize(nil, header.MaxSize)
	at := make(map[int]int, len(items))
	for i := range items {
		at[items[i].Num] = i
	}
	limit := &serverLimit{}
	return limit.take(items, func(some []plan.Item) ([]plan.Item, error) {
		asked := 0
		err := c.Retrieve(ctx, plan.Messages(some), func(m pop3.Message, body io.Reader, refused error) error {
			asked++
			if refused != nil {
				if limit.refused(items[at[m.Num]], refused) && limit.enough() {
					return pop3.ErrEnough
				}
				return nil
			}
			limit.came()
			src := &source{r: body, run: r, wait: r.pace(ctx)}
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
func (r *run) compare(ctx context.Context, c *pop3.Client, items []plan.Item) (comparison, error) {
	out := comparison{make(map[state.Key]bool), make(map[state.Key]bool)}
	r.log.Info("comparing with what was delivered", "messages", len(items))
	found, err := r.compareBodies(ctx, c, items)
	if err != nil {
		return out, err
	}
	change := &state.Change{}
	for i, it := range items {
		switch found[i] {
		case sameMessage:
			out.same[it.Key] = true
			if e, ok := r.entry(it.Key); ok && e.ByHeader {
				e.ByHeader = false
				change.Put = append(change.Put, e)
			}
		case otherMessage:
			out.other[it.Key] = true
			change.Forget = append(change.Forget, it.Key)
		}
	}
	r.noteCompared(len(out.other), len(items)-len(out.same)-len(out.other))
	return out, r.applyCompared(change)
}

func (r *run) applyCompared(change *state.Change) error {
	if len(change.Put)+len(change.Forget) == 0 {
		return nil
	}
	fault.Point("reused.apply")
	if err := r.db.Apply(change); err != nil {
		return stateFailed(r.db, err)
	}
	r.facts.List = state.ListDigest{} // the one on record may hold what was forgotten
	return nil
}

func (r *run) noteCompared(other, unclear int) {
	if other > 0 {
		r.addNote("the server uses unique-ids again: " + counted(other, "new message") + " recognised by the content")
	}
	if unclear > 0 {
		r.addNote(counted(unclear, "message") + " could not be compared with what was delivered under the same unique-id, and so not deleted; a later run tries again")
	}
}

// proveDeletions compares what the plan would delete without having delivered it
// in this session, and what reappeared. Other messages than those on record are
// retrieved, and the plan keeps the deletions that are beyond doubt.
func (r *run) proveDeletions(ctx context.Context, c *pop3.Client, list []pop3.Message, todo *plan.Plan, w *seenWindow) error {
	unproven, sure, err := r.unproven(todo, !todo.Repeated && plan.NeverReused(list))
	if err != nil || len(unproven) == 0 {
		return err
	}
	busy := len(todo.Retrieve)+len(sure) > 0
	if unproven = r.worthComparing(unproven, busy, w); len(unproven) == 0 {
		todo.Delete = slices.DeleteFunc(todo.Delete, func(it plan.Item) bool { return !sure[it.Key] })
		return nil
	}
	found, err := r.compare(ctx, c, unproven)
	if err != nil {
		w.left = busy || len(unproven) > 1
		return r.suspects.brokenAt(unproven, err)
	}
	r.reappearedAre(todo, found)
	now, err := r.diff(list)
	if err != nil {
		return err
	}
	todo.Delete = slices.DeleteFunc(now.Delete, func(it plan.Item) bool { return !sure[it.Key] && !found.same[it.Key] })
	more := slices.DeleteFunc(now.Retrieve, func(it plan.Item) bool { return !found.other[it.Key] || r.a.Exactly != nil })
	if len(more) == 0 {
		return nil
	}
	todo.Retrieve = append(todo.Retrieve, more...)
	r.expectMore(more)
	return r.retrieveAll(ctx, c, portion{items: more})
}

// spareUnproven leaves only what may be deleted without a comparison.
func (r *run) spareUnproven(todo *plan.Plan, neverReused bool) {
	todo.Delete = slices.DeleteFunc(todo.Delete, func(it plan.Item) bool {
		e, ok := r.entry(it.Key)
		return !ok || mustCompare(&e, neverReused && !todo.Repeated)
	})
}

// unproven are the messages to compare, as far as the limits allow, and sure the
// keys of those that may be deleted as they are.
func (r *run) unproven(todo *plan.Plan, neverReused bool) (items []plan.Item, sure map[state.Key]bool, err error) {
	sure = make(map[state.Key]bool)
	for i := range todo.Delete {
		it := &todo.Delete[i]
		if e, ok := r.entry(it.Key); ok && !mustCompare(&e, neverReused) {
			sure[it.Key] = true
			continue
		}
		items = append(items, *it)
	}
	for i := range todo.Skip {
		// What this run deleted may be on its way out still.
		if e, ok := r.entry(todo.Skip[i].Key); ok && todo.Skip[i].Why == plan.Reappeared && e.Deleted.Before(r.sum.Started) {
			items = append(items, todo.Skip[i])
		}
	}
	if len(items) == 0 {
		return nil, sure, nil
	}
	all := len(items)
	items, err = r.affordable(items)
	if len(items) < all {
		todo.Delete = slices.DeleteFunc(todo.Delete, func(it plan.Item) bool { return !sure[it.Key] })
		r.addNote("the limit does not allow to compare " + counted(all-len(items), "message") + " with what was delivered: deleted by a later run")
	}
	return items, sure, err
}

// affordable are the first items that the run may still retrieve for a
// comparison, which does not count as a message.
func (r *run) affordable(items []plan.Item) (out []plan.Item, err error) {
	err = r.db.View(func(v *state.View) error {
		out = r.octetsLeft(v.Budget(day(r.now()))).Affordable(items)
		return nil
	})
	return out, err
}

// reappearedAre takes the messages that were compared off the plan's list of
// those left alone.
func (r *run) reappearedAre(todo *plan.Plan, found comparison) {
	if r.compared == nil {
		r.compared = make(map[state.Key]bool)
	}
	before := len(todo.Skip)
	todo.Skip = slices.DeleteFunc(todo.Skip, func(it plan.Item) bool {
		same, other := found.same[it.Key], found.other[it.Key]
		if it.Why != plan.Reappeared || !same && !other {
			return false
		}
		r.compared[it.Key] = other
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := before - len(todo.Skip); n > 0 {
		r.sum.Skipped -= n
		r.sum.Skips[plan.Reappeared] -= n
	}
}

// expectMore adds messages to what the reporter was told to expect.
func (r *run) expectMore(items []plan.Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event.Total += len(items)
	for i := range items {
		r.event.TotalBytes += max(items[i].Size, 0)
	}
}

// identified is for a server with neither UIDL nor TOP: a message that turned
// out to be known by its header while it was retrieved. The same one is deleted,
// another one is retrieved again under a key of its own.
func (rt *retriever) seenAgain(m *message, src *source) error {
	s, err := sumsOf(rt.in)
	if err != nil {
		return rt.unless(&m.Item, src, err)
	}
	switch rt.likeness(m.Key, s) {
	case sameMessage:
		if m.Delete {
			rt.mu.Lock()
			rt.doomed = append(rt.doomed, deletionOf(&m.Item))
			rt.mu.Unlock()
		}
	case otherMessage:
		for nth := rt.prints.nth[m.UID]; ; nth++ {
			m.Key = state.NewKey(m.UID, nth)
			if _, known := rt.entry(m.Key); !known {
				rt.prints.nth[m.UID] = nth + 1
				break
			}
		}
		m.Named, m.Have, m.Delete = true, nil, rt.a.Policy.Keep.None
		rt.prints.others = append(rt.prints.others, m.Item)
	default:
		rt.addNote(fmt.Sprintf("message %d has the header of a delivered one and could not be compared: left alone on the server", m.Num))
	}
	return nil
}
