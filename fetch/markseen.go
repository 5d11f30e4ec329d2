package fetch

import (
	"context"
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
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
	r := f.newRun(a)
	err = r.holding(ctx, func() error {
		if err := r.awaitLogin(ctx, false); err != nil {
			return err
		}
		c, list, err := r.connect(ctx)
		if err != nil {
			return err
		}
		defer r.leave(c)
		if list, err = r.name(ctx, c, list); err != nil {
			return err
		}
		todo, err := r.diff(list)
		if err != nil {
			return err
		}
		listed = len(list)
		chosen, err := r.choose(ctx, c, list, unseen(&todo), rule)
		if err != nil {
			return err
		}
		if err := r.db.Apply(&state.Change{Put: chosen, Facts: &r.facts}); err != nil {
			return stateWrite(r.db, err)
		}
		marked = len(chosen)
		return c.Quit(ctx)
	})
	return marked, listed, err
}

// unseen are the messages of a plan that are not known yet.
func unseen(p *plan.Plan) []plan.Item {
	return append(append([]plan.Item(nil), p.Retrieve...), p.Skip...)
}

// choose turns the items that fit the rule into entries.
func (r *run) choose(ctx context.Context, c *pop3.Client, list []pop3.Message, items []plan.Item, rule MarkRule) ([]state.Entry, error) {
	fits, err := r.fits(ctx, c, list, items, rule)
	if err != nil {
		return nil, err
	}
	var out []state.Entry
	for i := range items {
		if fits(&items[i]) {
			out = append(out, state.Entry{Key: items[i].Key, Size: -1, FirstSeen: r.now(), Source: state.Marked, Done: true})
		}
	}
	return out, nil
}

func (r *run) fits(ctx context.Context, c *pop3.Client, list []pop3.Message, items []plan.Item, rule MarkRule) (func(*plan.Item) bool, error) {
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
		dates, err := r.dates(ctx, c, items)
		return func(it *plan.Item) bool { return !dates[it.Num].IsZero() && dates[it.Num].Before(rule.Before) }, err
	}
	spared := make(map[int]bool)
	for _, m := range list[max(len(list)-rule.Newest, 0):] {
		spared[m.Num] = true
	}
	return func(it *plan.Item) bool { return !spared[it.Num] }, nil
}

// dates asks for the headers of the items and returns when each message was
// received, by number; without a believable date there is none.
func (r *run) dates(ctx context.Context, c *pop3.Client, items []plan.Item) (map[int]time.Time, error) {
	dates := make(map[int]time.Time)
	msgs := plan.Messages(items)
	shown := 0
	err := headers(ctx, c, msgs, r.hasTop(c), func(i int, h header.Header) {
		if h != nil {
			shown++
			dates[msgs[i].Num] = h.Date(time.Time{})
		}
	})
	if err == nil && shown == 0 && len(items) > 0 {
		err = &Error{Exit: ExitProtocol, Err: errors.New("the server shows no headers (TOP): the dates of its messages are not known"),
			Why: WhyNoDates}
	}
	return dates, err
}
