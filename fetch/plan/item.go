package plan

import (
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
	// confirmed, or asked for in a session whose end is not known. Only a
	// comparison shows whether it is the same message.
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
	// RefusedBy are targets that refused it for good: it goes to the quarantine
	// in their place.
	RefusedBy []string
	Tries
	// Delete: the server is to delete it once it is delivered.
	Delete bool
	// Rule is why; NoRule if it stays.
	Rule Rule
	// Why is the reason of a skipped item.
	Why Reason
	// Rejected: it is retrieved a second time, for the quarantine alone.
	Rejected bool
	// Named: its key is known although the listing has no unique-ids.
	Named bool
	// Interrupted: an earlier run has retrieved it and was killed while it delivered;
	// that is completed before anything else, and most likely not retrieved again.
	Interrupted bool
}

// Tries are what earlier failures mean for an item.
type Tries struct {
	// Paused are targets that failed before and whose next try is not due.
	Paused []string
	// Until is when a pausing item is due.
	Until time.Time
	// Served are recipients, by target, that already have the message.
	Served map[string][]string
	// Tried is when it last failed, in any target; zero: it did not.
	Tried time.Time
	// Suspect: a session broke at it, or its body was in doubt. It is tried last
	// and alone.
	Suspect bool
}

// Messages are the items in the form that package pop3 takes.
func Messages(items []Item) []pop3.Message {
	msgs := make([]pop3.Message, len(items))
	for i := range items {
		msgs[i] = items[i].Message
	}
	return msgs
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

// waits takes over the failures on record and reports whether the message has to
// wait: because the server refused to send it, or because every target that
// lacks it pauses.
func (it *Item) waits(r *rows) (wait bool) {
	p, now := &r.policy, r.now
	for _, f := range r.known.Failures[it.Key] {
		it.Suspect = it.Suspect || f.Suspect
		if f.Last.After(it.Tried) {
			it.Tried = f.Last
		}
		if len(f.Served) > 0 {
			if it.Served == nil {
				it.Served = make(map[string][]string)
			}
			it.Served[f.Target] = f.Served
		}
		if f.Target != "" && p.OnReject == Quarantine && p.Refused(f) {
			it.RefusedBy = append(it.RefusedBy, f.Target)
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
	return wait || len(it.Paused) > 0 && len(it.RefusedBy) == 0 && !slices.ContainsFunc(r.known.Targets, it.due)
}

// due reports whether a target lacks the message and does not pause.
func (it *Item) due(target string) bool {
	return !slices.Contains(it.Have, target) && !slices.Contains(it.Paused, target)
}

// retryChunk is how many messages that some target has already are retrieved
// before a run checks again whether the others take anything.
const retryChunk = 100

// RetriesFirst splits a plan's messages: those that some target has already, in
// chunks, then the rest, and last those that failed before, the longest ago
// first. So a few that are refused again and again delay nothing.
func RetriesFirst(items []Item) (chunks [][]Item) {
	if !slices.ContainsFunc(items, func(it Item) bool { return it.rank() > 0 }) {
		return [][]Item{items}
	}
	var ranks [3][]Item
	for i := range items {
		rank := items[i].rank()
		ranks[rank] = append(ranks[rank], items[i])
	}
	chunks = slices.AppendSeq(chunks, slices.Chunk(ranks[1], retryChunk))
	slices.SortStableFunc(ranks[2], func(a, b Item) int { return a.Tried.Compare(b.Tried) })
	return append(chunks, ranks[0], ranks[2])
}

// Wants reports whether the message is to be delivered to a target now.
func (it *Item) Wants(target string) bool {
	return !it.Rejected && it.due(target) && !slices.Contains(it.RefusedBy, target)
}

// Keys is the set of their keys.
func Keys(items []Item) map[state.Key]bool {
	keys := make(map[state.Key]bool, len(items))
	for i := range items {
		keys[items[i].Key] = true
	}
	return keys
}
