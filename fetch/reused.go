package fetch

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A unique-id should never be given twice (RFC 1939 section 7), but some
// servers give it to a new message once the old one is deleted. Others go on to
// list what they said they deleted. Only the header tells the two apart, so a
// message that is listed under a unique-id whose deletion was confirmed is
// neither passed over nor deleted before its header was compared.

// matchReused compares them. A new message under an old unique-id is unknown
// from then on; an old one counts as never deleted. The plan is then made anew.
func (r *run) matchReused(ctx context.Context, c *pop3.Client, list []pop3.Message, plan *Plan) error {
	if err := r.settleReused(ctx, c, plan.reappeared()); err != nil || len(r.compared) == 0 {
		return err
	}
	var err error
	*plan, err = r.diff(list)
	return err
}

// reappeared are the messages that have to be compared.
func (plan *Plan) reappeared() []Item {
	var items []Item
	for _, it := range plan.Skip {
		if it.Why == Reappeared {
			items = append(items, it)
		}
	}
	return items
}

// settleReused compares messages and records what came of it.
func (r *run) settleReused(ctx context.Context, c *pop3.Client, items []Item) error {
	change, err := r.compareReused(ctx, c, items)
	if err != nil || len(r.compared) == 0 {
		return err
	}
	fault.Point("reused.apply")
	if err := r.db.Apply(change); err != nil {
		return &Error{Exit: ExitIO, Err: stateWrite(r.db, err)}
	}
	r.facts.List = state.ListDigest{} // the one on record may hold what was forgotten
	return nil
}

// compareReused fills r.compared, for the next diff, and returns what is to be
// recorded of it. It changes nothing.
func (r *run) compareReused(ctx context.Context, c *pop3.Client, items []Item) (*state.Change, error) {
	r.compared = nil
	if len(items) == 0 {
		return nil, nil
	}
	prints, err := r.fingerprints(ctx, c, messagesOf(items))
	if err != nil {
		return nil, err
	}
	change := &state.Change{}
	r.compared = make(map[state.Key]bool)
	for i, p := range prints {
		e, ok := r.entry(items[i].Key)
		if !ok || p == nil || e.Fingerprint.IsZero() {
			continue
		}
		r.compared[e.Key] = *p != e.Fingerprint
		if r.compared[e.Key] {
			change.Forget = append(change.Forget, e.Key)
			continue
		}
		e.Deleted = time.Time{}
		change.Put = append(change.Put, e)
	}
	r.noteReused(len(change.Forget), len(prints)-len(r.compared))
	return change, nil
}

// reusedUIDs reports whether this session listed another message than the one
// that is known.
func (r *run) reusedUIDs() bool {
	for _, other := range r.compared {
		if other {
			return true
		}
	}
	return false
}

// noteReused tells of messages that are others than those known, and of those
// that could not be compared.
func (r *run) noteReused(other, unclear int) {
	if other > 0 {
		r.addNote("the server uses unique-ids of deleted messages again: " + counted(other, "new message") + " recognised by the header")
	}
	if unclear > 0 {
		r.addNote(counted(unclear, "message") + " under the unique-id of a deleted one, and no header to compare: left alone on the server; " +
			"fetch --all fetches what is listed, whatever its unique-id")
	}
}
