package plan

import (
	"runtime/debug"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// Times on disk were written under a clock that may have been wrong, and they
// are read under one that may be wrong now. So none of them is obeyed without
// bound: a time of the future is no reason to wait, and no age is counted over
// a jump of the clock.

const (
	// clockStep is how far a clock may be set back without a time on record
	// being one of the future.
	clockStep = 5 * time.Minute
	// longestGap is how far apart two runs may be. Beyond it we cannot know
	// whether nobody called us or the clock was set.
	longestGap = 45 * 24 * time.Hour
	// longestPause bounds every pause of a failed message.
	longestPause = 7 * 24 * time.Hour
)

// Future reports whether a time on record was written under a clock that was
// ahead of today's.
func Future(at, now time.Time) bool { return at.After(now.Add(clockStep)) }

// NoteJump compares the clock with the last run's, and keeps when and from where
// it jumped. It reports whether it did.
func NoteJump(f *state.Facts, now time.Time) bool {
	last := f.ClockSeen
	if last.IsZero() { // a state of mailhaul 1.0
		last = f.LastPoll
	}
	if last.IsZero() || now.Sub(last) <= longestGap && !Future(last, now) {
		return false
	}
	f.ClockJumped, f.ClockFrom = now, last
	return true
}

// builtAfter is a date before the program was written.
var builtAfter = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Built is when the program was built, or a date before it: a clock that shows
// an earlier one is wrong.
func Built() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at
			}
		}
	}
	return builtAfter
}

// AgesFrom is the time before which no age is counted: the last jump of the
// clock, and now if the clock is wrong. So what is deleted or forgotten by its
// age has been known for so long under one plausible clock.
func AgesFrom(f *state.Facts, now, built time.Time) time.Time {
	if now.Before(built) || Future(f.ClockJumped, now) {
		return now
	}
	return f.ClockJumped
}

// Age is how long ago a time on record is, counted from a jump of the clock at
// the earliest.
func Age(at, from, now time.Time) time.Duration {
	at = notAhead(at, from, now)
	if at.Before(from) {
		at = from
	}
	return now.Sub(at)
}

// notAhead returns a time on record, and for one of the future the last jump of
// the clock, or now if none is known.
func notAhead(at, from, now time.Time) time.Time {
	switch {
	case !Future(at, now):
		return at
	case from.IsZero():
		return now
	}
	return from
}

// dueAt is when a failed message is to be tried again. One that failed under a
// clock that was ahead is due.
func dueAt(f *state.Failure, now time.Time) time.Time {
	if Future(f.Last, now) || f.Next.After(now.Add(longestPause)) {
		return now
	}
	return f.Next
}
