package command

import (
	"errors"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/schedule"
)

// scheduleOf turns what the user wrote into what a loop reads.
func scheduleOf(a *config.Account) schedule.Schedule {
	s := schedule.Schedule{
		Every:  a.Every,
		Jitter: a.Jitter,
		Quiet:  schedule.Window(a.Quiet),
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
// clock of t's location; the zero time if there is none. As cron does it, a
// time that the clock skips in spring comes where the clock goes on, and of the
// hour that comes twice in autumn both are meant by an hour of "*", and else
// the first.
//
// The library's own search goes astray at such hours; so it is only asked
// about clocks that never change, one after the other.
func nextCron(expr string, t time.Time) time.Time {
	from, zone := t, t // from is not included; its clock is read as zone's is
	for range 100 {
		_, offset := zone.Zone()
		next, err := gronx.NextTickAfter(expr, from.In(time.FixedZone("", offset)), false)
		if err != nil {
			return time.Time{}
		}
		_, end := zone.ZoneBounds()
		if end.IsZero() || next.Before(end) {
			return next.In(t.Location())
		}
		_, changed := end.Zone()
		shift := time.Duration(changed-offset) * time.Second
		from, zone = end.Add(-time.Second), end
		switch {
		case shift > 0 && next.Before(end.Add(shift)):
			return end.In(t.Location()) // the clock skips it
		case shift < 0 && !everyHour(expr):
			from = from.Add(-shift) // what is repeated is over
		}
	}
	return time.Time{}
}

// everyHour reports whether the expression names no certain hour.
func everyHour(expr string) bool {
	fields := strings.Fields(expr)
	return strings.HasPrefix(expr, "@") || len(fields) > 1 && strings.HasPrefix(fields[1], "*")
}
