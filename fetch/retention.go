package fetch

import (
	"cmp"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Rule is the rule of Keep that orders a deletion.
type Rule uint8

const (
	// NoRule: the message stays.
	NoRule Rule = iota
	// RuleNone is Keep.None, RuleDays Keep.Days, RuleNewest Keep.Newest and
	// RuleBelow Keep.Below.
	RuleNone
	RuleDays
	RuleNewest
	RuleBelow
)

// retention answers which positions of a listing the policy wants off the
// server once they are delivered, and by which rule. Each rule of a composite
// policy can order a deletion by itself; the first that does is named. Age is
// counted from when a message was first seen; one that is new is as old as now.
func retention(rows []listed, list []pop3.Message, p Policy, total int64, now time.Time) func(pos int) Rule {
	k := p.Keep
	switch {
	case p.Gmail == GmailRecent, k.All():
		return func(int) Rule { return NoRule }
	case k.None:
		return func(int) Rule { return RuleNone }
	}
	doomed := make([]Rule, len(rows))
	newestFirst := byAge(rows)
	for rank, pos := range newestFirst {
		first := rows[pos].first
		switch {
		case k.Days > 0 && !first.IsZero() && now.Sub(first) > time.Duration(k.Days)*24*time.Hour:
			doomed[pos] = RuleDays
		case k.Newest > 0 && rank >= k.Newest:
			doomed[pos] = RuleNewest
		}
		if doomed[pos] != NoRule {
			total -= max(list[pos].Size, 0)
		}
	}
	for i := len(newestFirst) - 1; i >= 0 && k.Below > 0 && total > k.Below; i-- {
		pos := newestFirst[i]
		if doomed[pos] == NoRule && rows[pos].mayDel {
			doomed[pos] = RuleBelow
			total -= max(list[pos].Size, 0)
		}
	}
	return func(pos int) Rule { return doomed[pos] }
}

// byAge returns the positions of a listing, newest first: by first-seen time,
// and within one run by place in the listing. What was never seen is newest.
func byAge(rows []listed) []int {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		fa, fb := rows[a].first, rows[b].first
		switch {
		case fa.IsZero() != fb.IsZero():
			return cmp.Compare(b2i(fb.IsZero()), b2i(fa.IsZero()))
		case !fa.Equal(fb):
			return fb.Compare(fa)
		}
		return cmp.Compare(b, a)
	})
	return order
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
