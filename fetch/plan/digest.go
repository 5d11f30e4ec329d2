package plan

import (
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// Most polls find the list of last time, perhaps with some messages at its
// end. The state then holds a digest of what came first in that list and needs
// nothing more (state.ListDigest), and only what follows is looked up: the time
// and the memory of a poll do not grow with what the state knows.

// Digest is the sum over the UIDs of messages and over the targets that hold
// them.
func Digest(list []pop3.Message, targets []string) state.Sum {
	sum := sha256.New()
	buf := make([]byte, 0, 32<<10)
	add := func(s string) {
		if len(buf)+len(s) >= cap(buf) {
			_, _ = sum.Write(buf)
			buf = buf[:0]
		}
		buf = append(append(buf, s...), '\n') // no UID holds one
	}
	for _, t := range targets {
		add(t)
	}
	add("")
	for i := range list {
		add(list[i].UID)
	}
	_, _ = sum.Write(buf)
	return state.Sum(sum.Sum(nil))
}

// DiffFrom is Diff for a listing whose first n messages need nothing. It reports
// false if what is known does not add up with that.
func DiffFrom(n int, list []pop3.Message, v *state.View, k Known, p Policy, l Limits, now time.Time) (Plan, bool) {
	if n == 0 || !k.narrow(list, n, v) {
		return Plan{}, false
	}
	plan := Diff(list[n:], k, p, l, now)
	plan.Listed += n
	plan.Known += n
	for _, m := range list[:n] {
		plan.Size += max(m.Size, 0)
	}
	return plan, true
}

// narrow narrows what is known to the messages behind the first n and to those
// that are gone, if that accounts for every entry.
func (k *Known) narrow(list []pop3.Message, n int, v *state.View) bool {
	apart := make(map[string]bool, len(list)-n+len(k.Gone))
	for _, m := range list[n:] {
		apart[m.UID] = true // listed twice, its key depends on those before
	}
	for key := range k.Gone {
		apart[key.UID()] = true // listed again, it would count twice below
	}
	if len(apart) > 0 && slices.ContainsFunc(list[:n], func(m pop3.Message) bool { return apart[m.UID] }) {
		return false
	}
	records := make(map[state.Key]state.Record, len(k.Gone))
	look := func(key state.Key) {
		if rec := v.Record(key); rec != nil {
			records[key] = rec
		}
	}
	for key := range k.Gone {
		look(key)
	}
	rest := keysOf(list[n:])
	for i := range rest.list {
		look(rest.key(int32(i)))
	}
	if v.Len() != n+len(records) {
		return false
	}
	k.Records = func(yield func([]byte, state.Record) bool) {
		for _, key := range slices.Sorted(maps.Keys(records)) {
			if !yield([]byte(key), records[key]) {
				return
			}
		}
	}
	return true
}
