// Package plan decides what a run does with the listing of a maildrop: which
// messages it retrieves, which it deletes and which it leaves. It is pure: a
// listing, what the state knows of it, a policy and a time go in, and a Plan
// comes out. The command plan and the command fetch get the same answer.
package plan

import (
	"iter"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Plan is what a run would do with a listing.
type Plan struct {
	// Keep is the policy that orders its deletions.
	Keep Keep
	// Listed is the number of messages on the server and Size their sum.
	Listed int
	Size   int64
	// Known is how many of them are seen.
	Known int
	// New is Known.New: what is seen is not in these targets.
	New []string
	// Repeated: there are messages with the same UID.
	Repeated bool
	// Retrieve is in the order of the listing; Bytes is the sum of its sizes.
	Retrieve []Item
	Bytes    int64
	// Delete are seen messages that the policy wants off the server.
	Delete []Item
	// Skip are messages that are neither seen nor retrieved.
	Skip []Item
	Changes
}

// Changes are keys in the state, by what a listing shows of them.
type Changes struct {
	// Gone were listed before and are no longer, Back are listed again, and Expire
	// are unlisted for so long that they are forgotten.
	Gone, Back, Expire []state.Key
	// Asked and Vanished are those whose deletion was asked for and not confirmed:
	// Asked are listed, and not compared yet; Vanished are not listed.
	Asked, Vanished []state.Key
	// Unfail have a failure on record, and the server does not list them any more:
	// there is nothing left to try again.
	Unfail []state.Key
}

// Known is what the state knows of a maildrop, in the shape that Diff reads.
type Known struct {
	// Records are all entries in ascending order of their keys; nil: none.
	Records iter.Seq2[[]byte, state.Record]
	// Entry decodes one of them.
	Entry func(key []byte, r state.Record) state.Entry
	// Gone says since when a key is unlisted.
	Gone map[state.Key]time.Time
	// Failures are the failed deliveries on record.
	Failures map[state.Key][]state.Failure
	// Targets are the account's: a message of which one pauses is retrieved
	// for the others.
	Targets []string
	// New are those of them that have nothing of this maildrop, while others that the
	// account had before have.
	New []string
	// AgesFrom is the time before which no age is counted, see the function AgesFrom.
	AgesFrom time.Time
	// Compared are messages that were Reappeared: true for another message than
	// the one that is known.
	Compared map[state.Key]bool
	// Interrupted are deliveries whose outcome a killed run did not record.
	Interrupted map[state.Key]bool
}

// elsewhere reports whether all that was delivered went to targets that the account
// has no more. It may have been a trial, whose copies are gone: nothing of it is
// deleted from the server before a target of today has received mail.
func (k *Known) elsewhere() bool { return len(k.New) > 0 && len(k.New) == len(k.Targets) }

// Without drops what this run has retrieved already: with Policy.All a later
// session would take it once more.
func (plan *Plan) Without(got map[state.Key]bool) {
	if len(got) == 0 {
		return
	}
	plan.Retrieve = slices.DeleteFunc(plan.Retrieve, func(it Item) bool { return got[it.Key] })
	plan.weigh()
}

// weigh adds up what is to be retrieved.
func (plan *Plan) weigh() {
	plan.Bytes = 0
	for i := range plan.Retrieve {
		plan.Bytes += max(plan.Retrieve[i].Size, 0)
	}
}

// Diff compares a complete listing with what is known. It is pure: the same
// code answers plan and fetch.
func Diff(list []pop3.Message, k Known, p Policy, l Limits, now time.Time) Plan {
	r := rowsOf(list, k, p, now)
	plan := Plan{Listed: len(list), Keep: p.Keep, Repeated: r.duplicates != nil}
	r.merge(&plan)
	plan.Unfail = r.unlistedFailures()
	for _, m := range list {
		plan.Size += max(m.Size, 0)
	}
	ruleAt := r.retention(plan.Size)
	plan.Retrieve = make([]Item, 0, r.unfinished())
	for i := range list {
		plan.place(r, int32(i), ruleAt(int32(i)))
	}
	plan.limit(l)
	return plan
}

// place decides about the message at a position of the listing.
func (plan *Plan) place(r *rows, pos int32, rule Rule) {
	p := &r.policy
	seen := r.is(pos, done) && !r.is(pos, back) && !p.All
	if seen {
		plan.Known++
		if rule == NoRule || !r.is(pos, deletable) {
			return
		}
	}
	m := r.list[pos]
	it := Item{Message: m, Key: r.key(pos), Delete: rule != NoRule, Rule: rule}
	switch {
	case seen:
		plan.Delete = append(plan.Delete, it)
		return
	case r.is(pos, back) && !p.All:
		plan.skip(it, Reappeared)
		return
	case r.is(pos, known) && !p.All:
		it.Have = r.have[pos]
		it.Delete = it.Delete && r.is(pos, deletable) // one target may have refused it
	}
	if !it.Delete {
		it.Rule = NoRule
	}
	if it.Interrupted = r.known.Interrupted[it.Key] && !p.All; it.Interrupted {
		plan.Retrieve = append(plan.Retrieve, it)
		plan.Bytes += max(m.Size, 0)
		return
	}
	if p.MaxSize > 0 && m.Size > p.MaxSize {
		plan.skip(it, TooBig)
		return
	}
	if it.waits(r) {
		plan.skip(it, Pausing)
		return
	}
	plan.Retrieve = append(plan.Retrieve, it)
	plan.Bytes += max(m.Size, 0)
}

func (plan *Plan) skip(it Item, why Reason) {
	it.Why, it.Delete, it.Rule = why, false, NoRule
	plan.Skip = append(plan.Skip, it)
}

// limit cuts the plan down to the limits. Messages that no target has come
// first, and last those that failed before: else those that wait for a relay
// that is down would use the limits up, and nothing new would arrive anywhere.
func (plan *Plan) limit(l Limits) {
	if l.Messages == 0 && l.Bytes == 0 {
		return
	}
	items := plan.Retrieve
	taken, n, octets := make([]bool, len(items)), 0, int64(0)
	for rank := range 3 {
		for i := range items {
			size := max(items[i].Size, 0)
			switch {
			case items[i].Interrupted: // it uses up nothing
				taken[i] = true
			case items[i].rank() == rank && l.allow(n, octets, size):
				taken[i] = true
				n++
				octets += size
			}
		}
	}
	plan.Retrieve = items[:0]
	for i, it := range items {
		if taken[i] {
			plan.Retrieve = append(plan.Retrieve, it)
			continue
		}
		plan.skip(it, OverLimit)
	}
	plan.weigh()
}

// Reappeared are the messages that have to be compared.
func (plan *Plan) Reappeared() []Item {
	var items []Item
	for _, it := range plan.Skip {
		if it.Why == Reappeared {
			items = append(items, it)
		}
	}
	return items
}

// Recognised takes messages out of a plan that are known after all.
func (p *Plan) Recognised(found []state.Entry) {
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

// KnownOf is what Diff reads of a state. It is valid inside the View only.
func KnownOf(v *state.View) Known {
	var interrupted map[state.Key]bool
	if intents, err := v.Intents(); err == nil && len(intents) > 0 {
		interrupted = make(map[state.Key]bool, len(intents))
		for i := range intents {
			interrupted[intents[i].Key] = true
		}
	}
	return Known{
		Interrupted: interrupted,
		Records:     v.Records(),
		Entry:       v.Entry,
		Gone:        v.Gone(),
		Failures:    v.Failures(),
	}
}

// records are Records, none for nil.
func (k *Known) records() iter.Seq2[[]byte, state.Record] {
	if k.Records == nil {
		return func(func([]byte, state.Record) bool) {}
	}
	return k.Records
}
