package fetch

import (
	"context"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// A unique-id should never be given twice (RFC 1939 section 7), but some
// servers give it to a new message once the old one is deleted. Others go on to
// list what they said they deleted. So a message that is listed under a unique-id
// whose deletion was confirmed is neither passed over nor deleted before it was
// compared: by its header, which tells most other messages, and then by its
// content (samebody.go).

// matchReused compares headers. A new message under an old unique-id is unknown
// from then on. The plan is then made anew.
func (r *run) matchReused(ctx context.Context, c *pop3.Client, list []pop3.Message, todo *plan.Plan) error {
	if err := r.settleReused(ctx, c, todo.Reappeared(), plan.NeverReused(list)); err != nil || len(r.compared) == 0 {
		return err
	}
	var err error
	*todo, err = r.diff(list)
	return err
}

// settleReused compares headers and records what came of it.
func (r *run) settleReused(ctx context.Context, c *pop3.Client, items []plan.Item, neverReused bool) error {
	change, err := r.compareReused(ctx, c, items, neverReused)
	if err != nil || len(r.compared) == 0 {
		return err
	}
	return r.applyCompared(change)
}

// compareReused fills r.compared with what can be decided without the bodies,
// for the next diff, and returns what is to be recorded of it. It changes nothing.
func (r *run) compareReused(ctx context.Context, c *pop3.Client, items []plan.Item, neverReused bool) (*state.Change, error) {
	r.compared = nil
	if len(items) == 0 {
		return nil, nil
	}
	items, r.compared = r.confirmedGone(items, neverReused)
	prints, err := r.fingerprints(ctx, c, plan.Messages(items))
	if err != nil {
		return nil, err
	}
	change := &state.Change{}
	for i, p := range prints {
		e, ok := r.entry(items[i].Key)
		switch {
		case !ok || p == nil || e.Fingerprint.IsZero():
		case *p != e.Fingerprint:
			r.compared[e.Key] = true
			change.Forget = append(change.Forget, e.Key)
		case neverReused:
			r.compared[e.Key] = false
		}
	}
	if n := len(change.Forget); n > 0 {
		r.addNote("the server uses unique-ids of deleted messages again: " + counted(n, "new message") + " recognised by the header")
	}
	return change, nil
}

// confirmedGone leaves out the messages whose deletion was asked for and never
// confirmed: they may just be there still. Where no unique-id is given twice
// they are known to be the same, else only their content tells.
func (r *run) confirmedGone(items []plan.Item, neverReused bool) (gone []plan.Item, compared map[state.Key]bool) {
	compared = make(map[state.Key]bool)
	for _, it := range items {
		if e, ok := r.entry(it.Key); !ok || !e.Asked {
			gone = append(gone, it)
		} else if neverReused && e.Deleted.IsZero() {
			compared[it.Key] = false
		}
	}
	return gone, compared
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
