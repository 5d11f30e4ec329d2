package schedule

import (
	"errors"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// ParseCron returns a cron expression as Schedule.Cron. It refuses one that is
// wrong or never comes true.
func ParseCron(expr string) (next func(after time.Time) time.Time, err error) {
	if !gronx.IsValid(expr) {
		return nil, errors.New("one of its five fields is wrong")
	}
	if nextCron(expr, time.Now()).IsZero() {
		return nil, errors.New("no day is ever like that")
	}
	return func(after time.Time) time.Time { return nextCron(expr, after) }, nil
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
