package fetch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// patience is how many messages in a row a target may put off, or fail at,
// before it takes nothing more in this run: more would be retrieved for
// nothing. One alone says nothing of the others.
const patience = 3

// postponed counts, for each target, the messages in a row that it did not take
// and might take later.
type postponed struct {
	rows map[*Target][]*plan.Item
	well map[*Target]bool // it has taken something
}

func newPostponed() postponed {
	return postponed{rows: make(map[*Target][]*plan.Item), well: make(map[*Target]bool)}
}

// taken notes that the target takes messages.
func (p postponed) taken(t *Target) {
	p.well[t] = true
	delete(p.rows, t)
}

// add notes the outcome of one message, and returns the whole row once it is
// too long.
func (p postponed) add(t *Target, it *plan.Item, e *deliver.Error) (row []*plan.Item) {
	switch {
	case len(e.Done) > len(it.Served[t.ID]): // somebody got it
		p.taken(t)
		return nil
	case e.Class != deliver.Later && e.Class != deliver.Failed:
		return nil
	}
	p.rows[t] = append(p.rows[t], it)
	if len(p.rows[t]) < patience {
		return nil
	}
	return p.rows[t]
}

// putOff is the error of a target that took none of n messages in a row.
func putOff(n int, last *deliver.Error) *deliver.Error {
	return &deliver.Error{Class: deliver.Unavailable, Err: fmt.Errorf("%d messages in a row not taken, so no more are tried in this run; the last: %w", n, last)}
}

// nextFailure is what to put on record, but for the key and the next try: the
// count goes on from the last run's, unless that was of another kind.
func nextFailure(known []state.Failure, target string, err error, now time.Time) state.Failure {
	fail := state.Failure{Target: target, First: now}
	if old := failureAt(known, target); old != nil {
		fail = *old
	}
	fail.Last, fail.Err = now, err.Error()
	var de *deliver.Error
	if !errors.As(err, &de) {
		fail.Count++
		return fail
	}
	if later := de.Class == deliver.Later && target != ""; later != fail.Later {
		fail.Count, fail.First, fail.Later = 0, now, later
	}
	if !de.Stops() { // else it says nothing of the message
		fail.Count++
	}
	fail.Permanent = de.Class == deliver.Never
	if len(de.Done) > 0 {
		fail.Served = de.Done
	}
	return fail
}

// uncounted is what to put on record where the target is to blame: that the
// message was tried, so that the next run begins with others.
func uncounted(known []state.Failure, key state.Key, target, text string, now time.Time) state.Failure {
	fail := state.Failure{Target: target, First: now, Err: text}
	if old := failureAt(known, target); old != nil {
		fail = *old
	}
	fail.Key, fail.Last, fail.Next = key, now, time.Time{}
	return fail
}

// failureAt is the one of a target, nil if there is none.
func failureAt(known []state.Failure, target string) *state.Failure {
	i := slices.IndexFunc(known, func(f state.Failure) bool { return f.Target == target })
	if i < 0 {
		return nil
	}
	return &known[i]
}

// pause is how long a failed message waits: not at all at first, then an hour
// and four times longer each time, up to a week. well: the target takes others.
func pause(f state.Failure, poison int, well bool) time.Duration {
	n := f.Count - poison
	switch {
	case f.Later && !well:
		return 0 // it is the target that is not ready, and one try tells
	case f.Later:
		return laterPause(f.Last.Sub(f.First))
	case f.Permanent:
		n = f.Count - 1
	}
	if n < 0 {
		return 0
	}
	const week = 7 * 24 * time.Hour
	return min(time.Hour<<min(2*n, 10), week)
}

// laterPause is how long a message waits that was put off for so long: not at
// all in the first hour, for greylisting ends soon, then a quarter of it, up to
// a day.
func laterPause(since time.Duration) time.Duration {
	if since < time.Hour {
		return 0
	}
	return min(since/4, 24*time.Hour)
}
