package command

import (
	"errors"
	"time"

	"github.com/adhocore/gronx"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// schedule turns what the user wrote into what a loop reads.
func schedule(a *config.Account) fetch.Schedule {
	s := fetch.Schedule{
		Every:  a.Every,
		Jitter: a.Jitter,
		Quiet:  fetch.Window(a.Quiet),
	}
	if a.Cron != "" {
		s.Cron = func(after time.Time) time.Time { return nextCron(a.Cron, after) }
	}
	return s
}

// checkCron refuses an expression that is wrong or never comes true.
func checkCron(expr string) error {
	if !gronx.IsValid(expr) {
		return errors.New("one of its five fields is wrong")
	}
	if nextCron(expr, time.Now()).IsZero() {
		return errors.New("no day is ever like that")
	}
	return nil
}

// nextCron returns the first time after t that the expression names, by the
// clock of t's location; the zero time if there is none. A time that the clock
// skips in spring comes where the clock goes on, as cron does it.
func nextCron(expr string, t time.Time) time.Time {
	next, err := gronx.NextTickAfter(expr, t, false)
	if err != nil {
		next = time.Time{}
	}
	if skipped := nextSkipped(expr, t); !skipped.IsZero() && (next.IsZero() || skipped.Before(next)) {
		return skipped
	}
	return next
}

// nextSkipped returns the end of the first gap of the clock after t, if the
// next time named falls into it on a clock without gaps.
func nextSkipped(expr string, t time.Time) time.Time {
	plain := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	named, err := gronx.NextTickAfter(expr, plain, false)
	if err != nil {
		return time.Time{}
	}
	real := time.Date(named.Year(), named.Month(), named.Day(), named.Hour(), named.Minute(), 0, 0, t.Location())
	if real.Hour() == named.Hour() && real.Minute() == named.Minute() {
		return time.Time{}
	}
	_, end := real.Add(-12 * time.Hour).ZoneBounds()
	if end.IsZero() || !end.After(t) {
		return time.Time{}
	}
	return end
}
