package fetch

import (
	"context"
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// MarkRule says which messages of a listing to declare seen. Exactly one rule
// is set.
type MarkRule struct {
	All bool
	// Before marks what was received before this time, by the header (TOP).
	Before time.Time
	// Newest marks all but this many at the end of the listing.
	Newest int
	// UIDs marks just these.
	UIDs []string
}

// MarkSeen lists the maildrop and declares messages seen without retrieving
// them. It returns how many were marked now and how many are listed. Messages
// marked so are never deleted from the server: they were not delivered.
func (f *Fetcher) MarkSeen(ctx context.Context, a *Account, rule MarkRule) (marked, listed int, err error) {
	err = f.Hold(ctx, a, func(h *Held) error {
		if err := h.Drop.Dialer.Await(ctx, false); err != nil {
			return err
		}
		s, err := h.Drop.Open(ctx)
		if err != nil {
			return err
		}
		defer s.Leave()
		todo, err := s.Diff()
		if err != nil {
			return err
		}
		listed = len(s.List)
		fits, err := rule.fits(ctx, s, unseen(&todo))
		if err != nil {
			return err
		}
		change := &state.Change{Facts: &h.Facts}
		for _, it := range unseen(&todo) {
			if fits(&it) {
				change.Put = append(change.Put, state.Entry{Key: it.Key, Size: -1, FirstSeen: h.Journal.Now(), Source: state.Marked, Done: true})
			}
		}
		if err := h.DB.Apply(change); err != nil {
			return err
		}
		marked = len(change.Put)
		return s.Client.Quit(ctx)
	})
	return marked, listed, err
}

// unseen are the messages of a plan that are not known yet.
func unseen(p *plan.Plan) []plan.Item {
	return append(append([]plan.Item(nil), p.Retrieve...), p.Skip...)
}

// fits returns what the rule says about an item.
func (rule MarkRule) fits(ctx context.Context, s *session.Session, items []plan.Item) (func(*plan.Item) bool, error) {
	switch {
	case rule.All:
		return func(*plan.Item) bool { return true }, nil
	case len(rule.UIDs) > 0:
		want := make(map[string]bool)
		for _, u := range rule.UIDs {
			want[u] = true
		}
		return func(it *plan.Item) bool { return want[it.UID] }, nil
	case !rule.Before.IsZero():
		dates, err := dates(ctx, s, items)
		return func(it *plan.Item) bool { return !dates[it.Num].IsZero() && dates[it.Num].Before(rule.Before) }, err
	}
	spared := make(map[int]bool)
	for _, m := range s.List[max(len(s.List)-rule.Newest, 0):] {
		spared[m.Num] = true
	}
	return func(it *plan.Item) bool { return !spared[it.Num] }, nil
}

// dates asks for the headers of the items and returns when each message was
// received, by number; without a believable date there is none.
func dates(ctx context.Context, s *session.Session, items []plan.Item) (map[int]time.Time, error) {
	dates := make(map[int]time.Time)
	shown := 0
	err := s.Headers(ctx, items, func(i int, h header.Header) {
		if h != nil {
			shown++
			dates[items[i].Num] = h.Date(time.Time{})
		}
	})
	if err == nil && shown == 0 && len(items) > 0 {
		err = &Error{Exit: ExitProtocol, Err: errors.New("the server shows no headers (TOP): the dates of its messages are not known"),
			Why: WhyNoDates}
	}
	return dates, err
}
