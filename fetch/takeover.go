package fetch

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// SeenElsewhere is a message that another program has fetched.
type SeenElsewhere struct {
	UID       string
	FirstSeen time.Time // zero: not known
}

// TakeOver records what another program has fetched as seen, so that it is not
// fetched again. With online set it lists the maildrop first; choose gets the
// server's UIDs (nil if offline) and returns what to record. Entries that the
// state has already stay as they are. It returns how many are new.
func (f *Fetcher) TakeOver(ctx context.Context, a *Account, online bool, choose func(server []string) ([]SeenElsewhere, error)) (added int, err error) {
	err = f.Hold(ctx, a, func(h *Held) error {
		var uids []string
		if online {
			if uids, err = h.serverUIDs(ctx); err != nil {
				return err
			}
		}
		seen, err := choose(uids)
		if err != nil || len(seen) == 0 {
			return err
		}
		change := &state.Change{Put: h.imported(seen), Facts: &h.Facts}
		added = len(change.Put)
		return h.DB.Apply(change)
	})
	return added, err
}

func (h *Held) serverUIDs(ctx context.Context) ([]string, error) {
	uids := []string{} // nil would mean that nobody has looked
	err := h.Look(ctx, func(_ *session.Session, items []plan.Item) error {
		for i := range items {
			uids = append(uids, items[i].UID)
		}
		return nil
	})
	return uids, err
}

// imported turns what is not known yet into entries.
func (h *Held) imported(seen []SeenElsewhere) []state.Entry {
	var out []state.Entry
	twice := make(map[state.Key]bool)
	for _, s := range seen {
		k := state.NewKey(s.UID, 0)
		if _, known := h.Drop.Book.Entry(k); known || twice[k] {
			continue
		}
		twice[k] = true
		e := state.Entry{Key: k, Size: -1, FirstSeen: s.FirstSeen, Source: state.Imported, Done: true}
		if e.FirstSeen.IsZero() {
			e.FirstSeen = h.Journal.Now()
		}
		out = append(out, e)
	}
	return out
}
