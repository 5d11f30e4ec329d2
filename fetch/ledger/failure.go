package ledger

import (
	"errors"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/state"
)

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

// Recorded is the failure at a target that earlier runs put on record; nil if
// there is none.
func (l *Ledger) Recorded(k state.Key, target string) *state.Failure {
	return failureAt(l.recorded[k], target)
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
