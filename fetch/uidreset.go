package fetch

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// minReset is how many known messages must be expected in a listing before
// their absence is taken for a change of the server's UIDs.
const minReset = 4

// resetSuspected reports whether a listing looks as if the server had given
// its messages new UIDs: most of those that were there are gone, and about as
// many unknown ones have come.
func resetSuspected(expected, present, unknown int) bool {
	return expected >= minReset && present*2 < expected && unknown*2 >= expected
}

// matchReset looks for the known messages behind the new UIDs of a listing,
// before anything is retrieved. Those found are seen under their new UIDs; the
// plan is then made anew.
func (r *run) matchReset(ctx context.Context, c *pop3.Client, list []pop3.Message, plan *Plan) error {
	found, err := r.recognise(ctx, c, plan)
	if err != nil || len(found) == 0 {
		return err
	}
	fault.Point("uidreset.apply")
	if err := r.db.Apply(&state.Change{Put: found}); err != nil {
		return &Error{Exit: ExitIO, Err: stateWrite(r.db, err)}
	}
	*plan, err = r.diff(list)
	return err
}

// recognise compares the headers of a listing that looks like a change of UIDs
// with what is known, and returns the entries that the known messages have
// under their new UIDs. It changes nothing.
func (r *run) recognise(ctx context.Context, c *pop3.Client, plan *Plan) ([]state.Entry, error) {
	if gmail(c) {
		return nil, nil // its list changes all the time
	}
	others := len(plan.Retrieve) + len(plan.Skip)
	if others == 0 || len(plan.Gone) <= plan.Known {
		return nil, nil // not suspected, however many of those that are gone are lost
	}
	lost, err := r.lost(plan)
	if err != nil || !resetSuspected(lost.count+plan.Known, plan.Known, others) {
		return nil, err
	}
	unknown := slices.Concat(plan.Retrieve, plan.Skip)
	r.log.Info("most known messages are gone and others have come: comparing headers", "gone", lost.count, "unknown", len(unknown))
	found, err := r.matchHeaders(ctx, c, unknown, lost)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, r.trustUnknown(lost)
	}
	r.addNote(fmt.Sprintf("the server gave its messages new names (UIDs): %d of %d were recognised by their headers and are not fetched again", len(found), len(unknown)))
	return found, nil
}

// recognised takes messages out of a plan that are known after all.
func (p *Plan) recognised(found []state.Entry) {
	known := make(map[state.Key]bool, len(found))
	for i := range found {
		known[found[i].Key] = true
	}
	isKnown := func(it Item) bool { return known[it.Key] }
	p.Retrieve = slices.DeleteFunc(p.Retrieve, isKnown)
	p.Skip = slices.DeleteFunc(p.Skip, isKnown)
	p.Known += len(found)
	p.weigh()
}

// lostEntries are the entries that the last listing held and this one does not.
type lostEntries struct {
	count   int
	blind   int // of these, those without a fingerprint
	byPrint map[state.Fingerprint][]state.Entry
}

// lost collects them. A message that we deleted is expected to be gone.
func (r *run) lost(plan *Plan) (lostEntries, error) {
	out := lostEntries{byPrint: make(map[state.Fingerprint][]state.Entry)}
	err := r.db.View(func(v *state.View) error {
		for _, k := range plan.Gone {
			e, ok := v.Get(k)
			switch {
			case !ok, !e.Deleted.IsZero():
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

// matchHeaders reads the header of each unknown message and gives those that
// are known the entry of their old self.
func (r *run) matchHeaders(ctx context.Context, c *pop3.Client, unknown []Item, lost lostEntries) ([]state.Entry, error) {
	prints, err := r.fingerprints(ctx, c, messagesOf(unknown))
	if err != nil {
		return nil, err
	}
	var found []state.Entry
	for i, p := range prints {
		if p == nil || len(lost.byPrint[*p]) == 0 {
			continue
		}
		old := lost.byPrint[*p]
		e := old[0]
		lost.byPrint[*p] = old[1:]
		e.Key = unknown[i].Key
		found = append(found, e)
	}
	return found, nil
}

// trustUnknown decides when no header is known. If we could compare, the
// messages are new. If what is gone was never seen by us (a list taken over
// from another program), nobody can tell, and nothing is fetched.
func (r *run) trustUnknown(lost lostEntries) error {
	if lost.blind*2 < lost.count {
		return nil
	}
	return &Error{
		Exit: ExitTemp,
		Err:  fmt.Errorf("%s known from another program's list are gone from the server and others have come: are they new mail, or the same under new names (UIDs)?", counted(lost.count, "message")),
		Hint: fmt.Sprintf("if they are new, run `mailhaul state forget %s --all`; if you have them, `mailhaul state mark-seen %s --all`; then fetch", r.a.Name, r.a.Name),
	}
}
