package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// minBlind is how many messages of another program's list must be gone at once
// to be a question for a person: with those nothing can be compared.
const minBlind = 4

// resetSuspected reports whether a listing looks as if the server had given
// its messages new UIDs: most of those that were there are gone, and about as
// many unknown ones have come.
func resetSuspected(expected, present, unknown int) bool {
	return expected > 0 && present*2 < expected && unknown*2 >= expected
}

// matchReset looks for the known messages behind the new UIDs of a listing,
// before anything is retrieved. Those found are seen under their new UIDs; the
// plan is then made anew.
func (n *identity) matchReset(ctx context.Context, list []pop3.Message, p *plan.Plan, done *Confirmed) error {
	found, err := n.recogniseDeleted(ctx, done, list, p)
	if err == nil && len(found) == 0 {
		found, err = n.recognise(ctx, p, true)
	}
	if err != nil || len(found) == 0 {
		return err
	}
	for _, k := range p.Vanished { // under this unique-id it cannot be seen to go
		if e, ok := n.book.Entry(k); ok {
			e.Asked = false
			found = append(found, e)
		}
	}
	fault.Point("uidreset.apply")
	if err := n.book.DB.Apply(&state.Change{Put: found}); err != nil {
		return err
	}
	*p, err = n.diff(list)
	return err
}

// recognise compares the headers of a listing that looks like a change of UIDs
// with what is known, and returns the entries that the known messages have
// under their new UIDs. With contents it may retrieve messages for that. It
// changes nothing.
func (n *identity) recognise(ctx context.Context, p *plan.Plan, contents bool) ([]state.Entry, error) {
	if Gmail(n.client) {
		return nil, nil // its list changes all the time
	}
	others := len(p.Retrieve) + len(p.Skip)
	if others == 0 || len(p.Gone) <= p.Known {
		return nil, nil // not suspected, however many of those that are gone are lost
	}
	lost, err := n.lost(p.Gone, nil)
	if err != nil || !resetSuspected(lost.count+p.Known, p.Known, others) {
		return nil, err
	}
	unknown := slices.Concat(p.Retrieve, slices.DeleteFunc(slices.Clone(p.Skip), func(it plan.Item) bool { return it.Why == plan.Reappeared }))
	n.book.Journal.Log.Info("most known messages are gone and others have come: comparing headers", "gone", lost.count, "unknown", len(unknown))
	found, err := n.match(ctx, unknown, &lost, contents)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, lost.trustUnknown()
	}
	n.noteReset(len(found), len(unknown))
	return found, nil
}

func (n *identity) noteReset(found, unknown int) {
	n.book.Journal.Note(fmt.Sprintf("the server gave its messages new unique-ids (UIDs): %d of %d were recognised by their headers and are not fetched again", found, unknown))
}

// recogniseDeleted is recognise for what this run has deleted and the server may
// list once more, see Confirmed.hidden.
func (n *identity) recogniseDeleted(ctx context.Context, done *Confirmed, list []pop3.Message, p *plan.Plan) ([]state.Entry, error) {
	fresh, hidden := done.hidden(list, p.Retrieve)
	if len(fresh) == 0 {
		return nil, nil
	}
	lost, err := n.lost(p.Gone, hidden)
	if err != nil {
		return nil, err
	}
	found, err := n.match(ctx, fresh, &lost, true)
	if len(found) > 0 {
		n.noteReset(len(found), len(fresh))
	}
	return found, err
}

// lostEntries are the entries that the last listing held and this one does not.
type lostEntries struct {
	count   int
	blind   int // of these, those without a fingerprint
	byPrint map[state.Fingerprint][]state.Entry
}

// lost collects them. A message that we deleted is expected to be gone, unless it
// is one of the hidden, and so is one that was known by its header in a
// listing that goes by headers.
func (n *identity) lost(gone, hidden []state.Key) (lostEntries, error) {
	byHeaders := !n.client.HasUIDL()
	out := lostEntries{byPrint: make(map[state.Fingerprint][]state.Entry)}
	err := n.book.DB.View(func(v *state.View) error {
		for i, k := range slices.Concat(hidden, gone) {
			e, ok := v.Get(k)
			switch {
			case !ok, i >= len(hidden) && !e.Deleted.IsZero(), byHeaders && plan.IsFingerprintUID(k.UID()):
				continue
			case e.Fingerprint.IsZero():
				out.blind++
			default:
				out.byPrint[e.Fingerprint] = append(out.byPrint[e.Fingerprint], e)
			}
			out.count++
		}
		return nil
	})
	return out, err
}

// match gives those of the unknown messages that are known the entry of their
// old self: by the header, or where that does not do by the content, with which
// contents must be allowed.
func (n *identity) match(ctx context.Context, unknown []plan.Item, lost *lostEntries, contents bool) ([]state.Entry, error) {
	prints, err := n.fingerprints(ctx, plan.Messages(unknown))
	if err != nil {
		return nil, err
	}
	var found []state.Entry
	var open []plan.Item
	for i, p := range prints {
		switch e := lost.shown(p, unknown[i].Size); {
		case e != nil:
			e.Key, e.ByHeader, e.Asked = unknown[i].Key, true, false
			found = append(found, *e)
		case (p == nil || len(lost.byPrint[*p]) > 0) && lost.mayHold(unknown[i].Size):
			open = append(open, unknown[i])
		}
	}
	if !contents {
		return found, nil
	}
	if open, err = n.book.affordable(open); err != nil || len(open) == 0 {
		return found, err
	}
	more, err := n.matchContents(ctx, open, lost)
	return append(found, more...), err
}

// matchContents retrieves messages of which the server shows no header, or an
// equal one with a size that does not fit. Else they would be delivered twice.
func (n *identity) matchContents(ctx context.Context, open []plan.Item, lost *lostEntries) (found []state.Entry, err error) {
	err = n.lookAt(ctx, open, func(i int, s Sums) {
		if e := lost.taken(func(e state.Entry) bool { return s.like(&e, false) == sameMessage }); e != nil {
			e.Key, e.Asked = open[i].Key, false
			found = append(found, *e)
		}
	}, nil)
	return found, err
}

// shown takes an entry with this header and a size that fits.
func (l *lostEntries) shown(p *state.Fingerprint, listed int64) *state.Entry {
	if p == nil {
		return nil
	}
	return l.takenOf(*p, func(e state.Entry) bool { return sizeFits(e.Size, listed) })
}

// taken takes an entry that fits.
func (l *lostEntries) taken(fits func(state.Entry) bool) *state.Entry {
	for p := range l.byPrint {
		if e := l.takenOf(p, fits); e != nil {
			return e
		}
	}
	return nil
}

func (l *lostEntries) takenOf(p state.Fingerprint, fits func(state.Entry) bool) *state.Entry {
	of := l.byPrint[p]
	i := slices.IndexFunc(of, fits)
	if i < 0 {
		return nil
	}
	e := of[i]
	l.byPrint[p] = slices.Delete(slices.Clone(of), i, i+1)
	return &e
}

// mayHold reports whether a message of this size may be among those that are
// left.
func (l *lostEntries) mayHold(listed int64) bool {
	for _, of := range l.byPrint {
		if slices.ContainsFunc(of, func(e state.Entry) bool { return sizeFits(e.Size, listed) }) {
			return true
		}
	}
	return false
}

// sizeFits reports whether LIST may say this of a message that was delivered
// with so many octets: line ends count twice there, and servers add some lines.
func sizeFits(delivered, listed int64) bool {
	const slack = 1 << 10
	return listed < 0 || delivered < 0 || listed >= delivered-slack && listed <= 2*delivered+slack
}

// trustUnknown decides when no header is known. If we could compare, the
// messages are new. If what is gone was never seen by us (a list taken over
// from another program), nobody can tell, and nothing is fetched.
func (l *lostEntries) trustUnknown() error {
	if l.count < minBlind || l.blind*2 < l.count {
		return nil
	}
	return &UnknownMailError{l.count}
}
