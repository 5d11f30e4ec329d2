package session

import (
	"context"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// proveDeletions compares what the plan would delete without having delivered it
// in this session, and what reappeared. Other messages than those on record are
// retrieved, and the plan keeps the deletions that are beyond doubt.
func (s *Session) proveDeletions(ctx context.Context, p *plan.Plan, res *Result) error {
	unproven, sure, err := s.unproven(p, !p.Repeated && plan.NeverReused(s.List))
	if err != nil || len(unproven) == 0 {
		return err
	}
	busy := len(p.Retrieve)+len(sure) > 0
	unproven, later := s.m.suspects.worthComparing(unproven, busy)
	if res.later += later; len(unproven) == 0 {
		p.Delete = slices.DeleteFunc(p.Delete, func(it plan.Item) bool { return !sure[it.Key] })
		return nil
	}
	found, err := s.names.compare(ctx, unproven, s.m.suspects.doubtful)
	if err != nil {
		res.left = busy || len(unproven) > 1
		return s.m.suspects.brokenAt(unproven, err)
	}
	s.reappearedAre(p, found)
	now, err := s.names.diff(s.List)
	if err != nil {
		return err
	}
	p.Delete = slices.DeleteFunc(now.Delete, func(it plan.Item) bool { return !sure[it.Key] && !found.same[it.Key] })
	more := slices.DeleteFunc(now.Retrieve, func(it plan.Item) bool { return !found.other[it.Key] || s.m.Exactly != nil })
	if len(more) == 0 {
		return nil
	}
	p.Retrieve = append(p.Retrieve, more...)
	for i := range more {
		s.m.Side.Journal.Expect(max(more[i].Size, 0))
	}
	return s.retrieve.all(ctx, portion{items: more})
}

// unproven are the messages to compare, as far as the limits allow, and sure the
// keys of those that may be deleted as they are.
func (s *Session) unproven(p *plan.Plan, neverReused bool) (items []plan.Item, sure map[state.Key]bool, err error) {
	sure = make(map[state.Key]bool)
	for i := range p.Delete {
		if it := p.Delete[i]; s.m.Book.mustCompare(it.Key, neverReused) {
			items = append(items, it)
		} else {
			sure[it.Key] = true
		}
	}
	for i := range p.Skip {
		// What this run deleted may be on its way out still.
		if e, ok := s.m.Book.Entry(p.Skip[i].Key); ok && p.Skip[i].Why == plan.Reappeared && e.Deleted.Before(s.m.Side.Journal.Started()) {
			items = append(items, p.Skip[i])
		}
	}
	if len(items) == 0 {
		return nil, sure, nil
	}
	all := len(items)
	items, err = s.m.Book.affordable(items)
	if len(items) < all {
		p.Delete = slices.DeleteFunc(p.Delete, func(it plan.Item) bool { return !sure[it.Key] })
		s.m.Side.Journal.Note("the limit does not allow to compare " + ledger.Counted(all-len(items), "message") + " with what was delivered: deleted by a later run")
	}
	return items, sure, err
}

// reappearedAre takes the messages that were compared off the plan's list of
// those left alone.
func (s *Session) reappearedAre(p *plan.Plan, found comparison) {
	before := len(p.Skip)
	p.Skip = slices.DeleteFunc(p.Skip, func(it plan.Item) bool {
		if it.Why != plan.Reappeared {
			return false
		}
		return s.names.decide(it.Key, found)
	})
	if n := before - len(p.Skip); n > 0 {
		s.m.Tally.Skipped -= n
		s.m.Tally.Skips[plan.Reappeared] -= n
	}
}

// decide takes over what a comparison found out about a message, if it did.
func (n *identity) decide(k state.Key, found comparison) bool {
	if !found.same[k] && !found.other[k] {
		return false
	}
	if n.compared == nil {
		n.compared = make(map[state.Key]bool)
	}
	n.compared[k] = found.other[k]
	return true
}

// compareListed compares what is listed although its deletion was confirmed, or
// asked for.
func (n *identity) compareListed(ctx context.Context, items []plan.Item, doubt func(*plan.Item, error)) error {
	var back []plan.Item
	for _, it := range items {
		if e, ok := n.book.Entry(it.Key); ok && e.Done && (e.Asked || !e.Deleted.IsZero()) {
			back = append(back, it)
		}
	}
	if err := n.settleReused(ctx, back, plan.NeverReused(plan.Messages(items))); err != nil {
		return err
	}
	back = slices.DeleteFunc(back, func(it plan.Item) bool { _, decided := n.compared[it.Key]; return decided })
	if len(back) == 0 {
		return nil
	}
	found, err := n.compare(ctx, back, doubt)
	for _, it := range back {
		n.decide(it.Key, found)
	}
	return err
}

// Compare compares what is listed although its deletion was confirmed, or asked
// for.
func (s *Session) Compare(ctx context.Context, items []plan.Item) error {
	return s.names.compareListed(ctx, items, s.m.suspects.doubtful)
}

// Compared are the reappeared messages that were compared: true for another
// message than the one that is on record.
func (s *Session) Compared() map[state.Key]bool { return s.names.compared }

// BeyondDoubt are those of some items, among all rows of the listing, that may
// be deleted: those that are the same as what was delivered.
func (s *Session) BeyondDoubt(ctx context.Context, items, rows []plan.Item) ([]plan.Item, error) {
	trusted := plan.NeverReused(plan.Messages(rows)) && !slices.ContainsFunc(rows, func(it plan.Item) bool { return it.Key.Nth() > 0 })
	var sure, unproven []plan.Item
	for _, it := range items {
		if s.m.Book.mustCompare(it.Key, trusted) {
			unproven = append(unproven, it)
		} else {
			sure = append(sure, it)
		}
	}
	if len(unproven) == 0 {
		return items, nil
	}
	found, err := s.names.compare(ctx, unproven, s.m.suspects.doubtful)
	if err != nil {
		return nil, err
	}
	return append(sure, slices.DeleteFunc(unproven, func(it plan.Item) bool { return !found.same[it.Key] })...), nil
}
