package fetch

import (
	"iter"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Reason is why a listed message is not retrieved by this run.
type Reason uint8

const (
	// Seen: delivered before. Such messages are counted, not listed.
	Seen Reason = iota
	// TooBig: larger than Policy.MaxSize.
	TooBig
	// OverLimit: Limits are used up; a later run takes it.
	OverLimit
	// Pausing: it failed before and its next try is not due.
	Pausing
	// Reappeared: the deletion of a seen message with its unique-id was
	// confirmed, or asked for in a session whose end is not known. Whether it is the same one only the header tells (reused.go).
	Reappeared
)

var reasonWords = [...]string{"seen", "too big", "over limit", "failed before, waiting", "under the unique-id of a deleted message"}

func (r Reason) String() string { return reasonWords[r] }

// Item is one message of a listing with the key of its state.
type Item struct {
	pop3.Message
	Key state.Key
	// Have are the targets that already hold the message.
	Have []string
	// SetAside are targets that refused it for good: the account's SetAside
	// target stands in for them.
	SetAside []string
	// Paused are targets that failed before and whose next try is not due.
	Paused []string
	// Served are recipients, by target, that already have the message.
	Served map[string][]string
	// Tried is when it last failed, in any target; zero: it did not.
	Tried time.Time
	// Suspect says that a session broke at it, or that its body was in doubt:
	// it is tried last and alone.
	Suspect bool
	// Delete says that it is to be deleted from the server once delivered.
	Delete bool
	// Rule is why; NoRule if it stays.
	Rule Rule
	// Why is the reason of a skipped item.
	Why Reason
	// Until is when a pausing item is due.
	Until time.Time
	// rejected: it is retrieved a second time, for the SetAside target alone.
	rejected bool
	// named: its key is known although the listing has no unique-ids.
	named bool
}

// messagesOf are the items as package pop3 asks for them.
func messagesOf(items []Item) []pop3.Message {
	msgs := make([]pop3.Message, len(items))
	for i := range items {
		msgs[i] = items[i].Message
	}
	return msgs
}

// Plan is what a run would do with a listing.
type Plan struct {
	// Keep is the policy that orders its deletions.
	Keep Keep
	// Listed is the number of messages on the server and Size their sum.
	Listed int
	Size   int64
	// Known is how many of them are seen.
	Known int
	// Repeated: there are messages with the same UID.
	Repeated bool
	// Retrieve is in the order of the listing; Bytes is the sum of its sizes.
	Retrieve []Item
	Bytes    int64
	// Delete are seen messages that the policy wants off the server.
	Delete []Item
	// Skip are messages that are neither seen nor retrieved.
	Skip []Item
	// Gone are keys that were listed before and are no longer, Back those
	// that are listed again, and Expire those unlisted for so long that they
	// are forgotten.
	Gone, Back, Expire []state.Key
	// Asked and Vanished are keys whose deletion was asked for and not confirmed:
	// those that are listed, and not compared yet, and those that are not.
	Asked, Vanished []state.Key
	// Unfail are keys with a failure on record that the server does not list
	// any more: there is nothing left to try again.
	Unfail []state.Key
}

// Known is what the state knows of a maildrop, in the shape that Diff reads.
type Known struct {
	// Records are all entries in ascending order of their keys.
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
	// AgesFrom is the time before which no age is counted, see agesFrom.
	AgesFrom time.Time
	// Compared are messages that were Reappeared: true for another message than
	// the one that is known.
	Compared map[state.Key]bool
}

// without drops what this run has retrieved already: with Policy.All a later
// session would take it once more.
func (plan *Plan) without(got map[state.Key]bool) {
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
	r := rowsOf(list, p)
	plan := Plan{Listed: len(list), Keep: p.Keep, Repeated: r.twins != nil}
	r.merge(k, p, now, &plan)
	plan.Unfail = r.unlistedFailures(k.Failures)
	for _, m := range list {
		plan.Size += max(m.Size, 0)
	}
	doomed := retention(r, p, plan.Size, k.AgesFrom, now)
	plan.Retrieve = make([]Item, 0, r.unfinished(p))
	for i := range list {
		plan.place(r, int32(i), doomed(int32(i)), k, p, now)
	}
	plan.limit(l)
	return plan
}

// place decides about the message at a position of the listing.
func (plan *Plan) place(r *rows, pos int32, rule Rule, k Known, p Policy, now time.Time) {
	doomed := rule != NoRule
	seen := r.is(pos, done) && !r.is(pos, back) && !p.All
	if seen {
		plan.Known++
		if !doomed || !r.is(pos, mayDel) {
			return
		}
	}
	m := r.list[pos]
	it := Item{Message: m, Key: r.key(pos), Delete: doomed, Rule: rule}
	switch {
	case seen:
		plan.Delete = append(plan.Delete, it)
		return
	case r.is(pos, back) && !p.All:
		plan.skip(it, Reappeared)
		return
	case r.is(pos, known) && !p.All:
		it.Have = r.have[pos]
		it.Delete = doomed && r.is(pos, mayDel) // one target may have refused it
	}
	if !it.Delete {
		it.Rule = NoRule
	}
	if p.MaxSize > 0 && m.Size > p.MaxSize {
		plan.skip(it, TooBig)
		return
	}
	if it.heed(k.Failures[it.Key], k.Targets, p, now) {
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
	taken, n := make([]bool, len(items)), 0
	plan.Bytes = 0
	for rank := range 3 {
		for i := range items {
			size := max(items[i].Size, 0)
			if items[i].rank() == rank && l.allow(n, plan.Bytes, size) {
				taken[i] = true
				n++
				plan.Bytes += size
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
}

// rank is where in its run a message comes, where not all can.
func (it *Item) rank() int {
	switch {
	case !it.Tried.IsZero():
		return 2
	case len(it.Have) > 0:
		return 1
	}
	return 0
}

// allow reports whether one more message of that size may follow n messages.
func (l Limits) allow(n int, octets, size int64) bool {
	switch {
	case l.Bytes < 0, l.Messages > 0 && n >= l.Messages:
		return false
	}
	return l.Bytes == 0 || octets+size <= l.Bytes || !l.begun && n == 0
}

// heed applies the failures on record and reports whether the message has to
// wait: because the server refused to send it, or because every target that
// lacks it pauses.
func (it *Item) heed(failures []state.Failure, targets []string, p Policy, now time.Time) (wait bool) {
	for _, f := range failures {
		it.Tried, it.Suspect = later(it.Tried, f.Last), it.Suspect || f.Suspect
		if len(f.Served) > 0 {
			if it.Served == nil {
				it.Served = make(map[string][]string)
			}
			it.Served[f.Target] = f.Served
		}
		if f.Target != "" && p.OnReject == Quarantine && p.refused(f) {
			it.SetAside = append(it.SetAside, f.Target)
			continue
		}
		due := dueAt(&f, now)
		if !now.Before(due) {
			continue
		}
		if it.Until.IsZero() || due.Before(it.Until) {
			it.Until = due
		}
		if f.Target == "" {
			wait = true
			continue
		}
		it.Paused = append(it.Paused, f.Target)
	}
	return wait || len(it.Paused) > 0 && len(it.SetAside) == 0 && !slices.ContainsFunc(targets, it.due)
}

// due reports whether a target lacks the message and does not pause.
func (it *Item) due(target string) bool {
	return !slices.Contains(it.Have, target) && !slices.Contains(it.Paused, target)
}
