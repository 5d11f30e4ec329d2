package plan

import (
	"cmp"
	"slices"
	"time"
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

// retention returns the rule by which each position of a listing is to be deleted
// once it is delivered. Each rule of a composite policy can order a deletion by
// itself; the first that does counts. The age of a message counts from when it
// was first seen, and at the earliest from a jump of the clock; a new one has no
// age. Total is the size of the maildrop.
func (r *rows) retention(total int64) func(pos int32) Rule {
	k, from, now := r.policy.Keep, r.known.AgesFrom, r.now
	if !r.policy.ages() {
		rule := NoRule
		if k.None && r.policy.Gmail != GmailRecent {
			rule = RuleNone
		}
		return func(int32) Rule { return rule }
	}
	rules := make([]Rule, len(r.list))
	newestFirst := byAge(r.first, from, now)
	for rank, pos := range newestFirst {
		first := r.first[pos]
		switch {
		case k.Days > 0 && !first.IsZero() && Age(first, from, now) > time.Duration(k.Days)*24*time.Hour:
			rules[pos] = RuleDays
		case k.Newest > 0 && rank >= k.Newest:
			rules[pos] = RuleNewest
		}
		if rules[pos] != NoRule {
			total -= max(r.list[pos].Size, 0)
		}
	}
	for i := len(newestFirst) - 1; i >= 0 && k.Below > 0 && total > k.Below; i-- {
		pos := newestFirst[i]
		if rules[pos] == NoRule && r.is(pos, deletable) {
			rules[pos] = RuleBelow
			total -= max(r.list[pos].Size, 0)
		}
	}
	return func(pos int32) Rule { return rules[pos] }
}

// byAge returns the positions of a listing, newest first: by first-seen time,
// and within one run by place in the listing. What was never seen is newest. A
// time in the future does not make a message newer than new mail (notAhead).
func byAge(first []time.Time, from, now time.Time) []int32 {
	order := make([]int32, len(first))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		fa, fb := notAhead(first[a], from, now), notAhead(first[b], from, now)
		switch {
		case fa.IsZero() && fb.IsZero():
		case fa.IsZero():
			return -1
		case fb.IsZero():
			return 1
		case !fa.Equal(fb):
			return fb.Compare(fa)
		}
		return cmp.Compare(b, a)
	})
	return order
}
