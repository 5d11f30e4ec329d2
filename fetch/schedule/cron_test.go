package schedule

import (
	"testing"
	"time"
)

// TestNextCron has the days of 23 and 25 hours: in Berlin 02:00 is followed by
// 03:00 on 29 March 2026, and 02:00 to 03:00 comes twice on 25 October.
func TestNextCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zone data: %v", err)
	}
	for _, tc := range []struct{ expr, after, want string }{
		{"*/5 * * * *", "2026-01-10T12:00:00+01:00", "2026-01-10T12:05:00+01:00"},
		{"*/5 * * * *", "2026-01-10T12:04:59+01:00", "2026-01-10T12:05:00+01:00"},
		{"0 3 * * *", "2026-01-10T03:00:00+01:00", "2026-01-11T03:00:00+01:00"},
		{"0 0 31 * *", "2026-01-31T00:00:00+01:00", "2026-03-31T00:00:00+02:00"},
		{"0 0 29 2 *", "2026-01-01T00:00:00+01:00", "2028-02-29T00:00:00+01:00"},
		{"0 9 * * 1-5", "2026-01-09T09:00:00+01:00", "2026-01-12T09:00:00+01:00"},
		{"*/5 * * * *", "2026-03-29T01:55:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"30 2 * * *", "2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"30 2 * * *", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		{"0 3 * * *", "2026-03-28T03:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"*/5 * * * *", "2026-10-25T02:55:00+02:00", "2026-10-25T02:00:00+01:00"},
		{"*/5 * * * *", "2026-10-25T02:55:00+01:00", "2026-10-25T03:00:00+01:00"},
		{"*/5 * * * *", "2026-10-25T01:55:00+02:00", "2026-10-25T02:00:00+02:00"},
		{"*/5 2-3 * * *", "2026-10-25T02:55:00+02:00", "2026-10-25T03:00:00+01:00"},
		{"30 2 * * *", "2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"30 2 * * *", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		{"30 2 * * *", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
		{"0 0 1 6 *", "2026-06-01T00:00:00+02:00", "2027-06-01T00:00:00+02:00"},
	} {
		after, _ := time.Parse(time.RFC3339, tc.after)
		want, _ := time.Parse(time.RFC3339, tc.want)
		if got := nextCron(tc.expr, after.In(berlin)); !got.Equal(want) {
			t.Errorf("%s after %s: %v, want %v", tc.expr, tc.after, got, want.In(berlin))
		}
	}
}

// TestCronYear walks a year in a zone with summer time: no time is missed by
// more than the gap, none comes twice.
func TestCronYear(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skipf("no time zone data: %v", err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, newYork)
	end := at.AddDate(1, 0, 0)
	n := 0
	for {
		next := nextCron("30 2 * * *", at)
		if d := next.Sub(at); d < 22*time.Hour && n > 0 || d > 26*time.Hour+30*time.Minute {
			t.Errorf("%v after %v", d, at)
		}
		if !next.Before(end) {
			break
		}
		at = next
		n++
	}
	if n != 365 {
		t.Errorf("%d runs in a year", n)
	}
}

func TestParseCron(t *testing.T) {
	for expr, ok := range map[string]bool{
		"*/5 * * * *": true, "0 3 * * 1-5": true, "0 0 29 2 *": true,
		"61 * * * *": false, "* * * *  x": false, "0 0 30 2 *": false, "0 0 31 4,6 *": false,
	} {
		if next, err := ParseCron(expr); (err == nil) != ok || ok && next(time.Now()).IsZero() {
			t.Errorf("%q: %v", expr, err)
		}
	}
}
