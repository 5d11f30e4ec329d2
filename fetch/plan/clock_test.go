package plan

import (
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

const (
	oneDay  = 24 * time.Hour
	oneYear = 365 * oneDay
)

var today = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestAge(t *testing.T) {
	jumped := today.Add(-10 * oneDay)
	cases := []struct {
		name     string
		at, from time.Time
		want     time.Duration
	}{
		{"usual", today.Add(-20 * oneDay), time.Time{}, 20 * oneDay},
		{"before a jump", today.Add(-20 * oneDay), jumped, 10 * oneDay},
		{"after a jump", today.Add(-5 * oneDay), jumped, 5 * oneDay},
		{"of 1975, before a jump", today.Add(-51 * oneYear), jumped, 10 * oneDay},
		{"of the future, before a jump", today.Add(10 * oneYear), jumped, 10 * oneDay},
		{"of the future", today.Add(10 * oneYear), time.Time{}, 0},
		{"a minute ahead", today.Add(time.Minute), time.Time{}, -time.Minute},
	}
	for _, c := range cases {
		if got := Age(c.at, c.from, today); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestJumps(t *testing.T) {
	for name, c := range map[string]struct {
		seen time.Time
		want bool
	}{
		"first run":      {time.Time{}, false},
		"an hour ago":    {today.Add(-time.Hour), false},
		"a month ago":    {today.Add(-31 * oneDay), false},
		"years ago":      {today.Add(-3 * oneYear), true},
		"a second ahead": {today.Add(time.Second), false},
		"an hour ahead":  {today.Add(time.Hour), true},
		"years ahead":    {today.Add(10 * oneYear), true},
	} {
		for _, old := range []bool{false, true} {
			f := state.Facts{ClockSeen: c.seen}
			if old {
				f = state.Facts{LastPoll: c.seen}
			}
			if got := NoteJump(&f, today); got != c.want || got != f.ClockJumped.Equal(today) {
				t.Errorf("%s: %t, %v", name, got, f.ClockJumped)
			}
		}
	}
}

func TestAgesFrom(t *testing.T) {
	built := today.Add(-30 * oneDay)
	for name, c := range map[string]struct{ jumped, now, want time.Time }{
		"no jump":               {time.Time{}, today, time.Time{}},
		"a jump":                {today.Add(-oneDay), today, today.Add(-oneDay)},
		"before it was built":   {time.Time{}, built.Add(-oneDay), built.Add(-oneDay)},
		"a jump of the future":  {today.Add(10 * oneYear), today, today},
		"built, and no history": {time.Time{}, built, time.Time{}},
	} {
		if got := AgesFrom(&state.Facts{ClockJumped: c.jumped}, c.now, built); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDueAt(t *testing.T) {
	for name, c := range map[string]struct{ last, next, want time.Time }{
		"an hour":               {today, today.Add(time.Hour), today.Add(time.Hour)},
		"a week":                {today, today.Add(longestPause), today.Add(longestPause)},
		"under a clock ahead":   {today.Add(10 * oneYear), today.Add(10*oneYear + time.Hour), today},
		"a day ahead":           {today.Add(oneDay), today.Add(25 * time.Hour), today},
		"longer than any pause": {time.Time{}, today.Add(1 * oneYear), today},
	} {
		if got := dueAt(&state.Failure{Last: c.last, Next: c.next}, today); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
