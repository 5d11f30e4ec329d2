package session

import (
	"context"

	"github.com/mailhaul/mailhaul/fetch/ledger"
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
