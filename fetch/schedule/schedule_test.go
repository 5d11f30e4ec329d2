package schedule

import (
	"testing"
	"time"
)

func noJitter(time.Duration) time.Duration { return 0 }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zone data: %v", err)
	}
	return loc
}

func TestPause(t *testing.T) {
	h := time.Hour
	for _, tc := range []struct {
		class Class
		every time.Duration
		want  []time.Duration // after 1, 2, 3 ... failures
	}{
		{Temporary, 5 * time.Minute, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute,
			5 * time.Minute}},
		{Temporary, 24 * h, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
			16 * time.Minute, 32 * time.Minute, h, h}},
		{Temporary, time.Second, []time.Duration{time.Second, time.Second}},
		{Refused, time.Minute, []time.Duration{15 * time.Minute, h, 4 * h, 4 * h}},
		{Faulty, time.Minute, []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, h, h}},
		{Usual, time.Minute, []time.Duration{0, 0}},
	} {
		for i, want := range tc.want {
			if got := (Schedule{Every: tc.every}).pause(tc.class, i+1); got != want {
				t.Errorf("class %d, every %v, failure %d: %v, want %v", tc.class, tc.every, i+1, got, want)
			}
		}
	}
	if got := (Schedule{Every: time.Minute}).pause(Refused, 1_000_000); got != 4*h {
		t.Errorf("after a million refusals: %v", got)
	}
}

func TestNext(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	start := now.Add(-time.Minute)
	daily := func(after time.Time) time.Time {
		return time.Date(after.Year(), after.Month(), after.Day()+1, 3, 0, 0, 0, time.UTC)
	}
	every := Schedule{Every: 10 * time.Minute}
	for name, tc := range map[string]struct {
		s    Schedule
		p    past
		want time.Time
	}{
		"counted from the start":       {every, past{started: start}, start.Add(10 * time.Minute)},
		"overrun":                      {every, past{started: now.Add(-time.Hour)}, now},
		"cron":                         {Schedule{Cron: daily}, past{started: start}, daily(now)},
		"cron that never comes":        {Schedule{Cron: func(time.Time) time.Time { return time.Time{} }}, past{}, now.AddDate(10, 0, 0)},
		"temporary":                    {every, past{started: start, class: Temporary, failures: 1}, now.Add(30 * time.Second)},
		"temporary, not after regular": {every, past{started: start, class: Temporary, failures: 9}, start.Add(10 * time.Minute)},
		"cron, temporary":              {Schedule{Cron: daily}, past{started: start, class: Temporary, failures: 2}, now.Add(time.Minute)},
		"refused":                      {every, past{started: start, class: Refused, failures: 1}, now.Add(15 * time.Minute)},
		"refused, long interval": {Schedule{Every: 24 * time.Hour}, past{started: start, class: Refused, failures: 3},
			start.Add(24 * time.Hour)},
		"some messages failed": {every, past{started: start, class: Usual}, start.Add(10 * time.Minute)},
		"login delay":          {every, past{started: start, earliest: now.Add(time.Hour)}, now.Add(time.Hour)},
		"known rest":           {every, past{started: start, rest: time.Hour}, start.Add(time.Hour)},
		"quiet": {Schedule{Every: time.Hour, Quiet: Window{12 * time.Hour, 14 * time.Hour}},
			past{started: start}, now.Add(2 * time.Hour)},
		"quiet, retry": {Schedule{Every: time.Hour, Quiet: Window{12 * time.Hour, 14 * time.Hour}},
			past{started: start, class: Temporary, failures: 1}, now.Add(2 * time.Hour)},
		"quiet, login delay": {Schedule{Every: time.Minute, Quiet: Window{13 * time.Hour, 14 * time.Hour}},
			past{started: start, earliest: now.Add(90 * time.Minute)}, now.Add(2 * time.Hour)},
	} {
		if got := tc.s.next(tc.p, now, noJitter); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestFirst(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	s := Schedule{Every: time.Hour}
	for name, tc := range map[string]struct {
		p    past
		want time.Duration
	}{
		"unknown":                  {past{}, 0},
		"ran lately":               {past{started: now.Add(-20 * time.Minute)}, 40 * time.Minute},
		"ran long ago":             {past{started: now.Add(-20 * time.Hour)}, 0},
		"refused a moment ago":     {past{started: now.Add(-time.Minute), class: Refused, failures: 1}, 14 * time.Minute},
		"refused often, long ago":  {past{started: now.Add(-20 * time.Minute), class: Refused, failures: 7}, 0},
		"unreachable a moment ago": {past{started: now.Add(-10 * time.Second), class: Temporary, failures: 7}, 20 * time.Second},
	} {
		if got := s.first(tc.p, now, noJitter).Sub(now); got != tc.want {
			t.Errorf("%s: in %v, want %v", name, got, tc.want)
		}
	}
}

// TestJitter asks for starts in [regular, regular+jitter), also at the end of
// the quiet time.
func TestJitter(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	most := func(d time.Duration) time.Duration { return max(d-1, 0) }
	s := Schedule{Every: time.Hour, Jitter: time.Minute}
	if got, want := s.next(past{started: now}, now, most), now.Add(time.Hour+time.Minute-1); !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
	s.Quiet = Window{13 * time.Hour, 15 * time.Hour}
	if got, want := s.next(past{started: now}, now, most), now.Add(3*time.Hour+time.Minute-1); !got.Equal(want) {
		t.Errorf("after the quiet time: %v, want %v", got, want)
	}
	for range 1000 {
		if d := randomBelow(time.Minute); d < 0 || d >= time.Minute {
			t.Fatal(d)
		}
	}
	if randomBelow(0) != 0 || randomBelow(-1) != 0 {
		t.Error("random of nothing")
	}
}

func TestQuiet(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.In(berlin)
	}
	clock := func(h, m int) time.Duration { return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute }
	night := Window{clock(23, 0), clock(6, 0)}
	for _, tc := range []struct {
		w        Window
		at, want string
	}{
		{Window{}, "2026-01-10T00:00:00+01:00", "2026-01-10T00:00:00+01:00"},
		{night, "2026-01-10T22:59:59+01:00", "2026-01-10T22:59:59+01:00"},
		{night, "2026-01-10T23:00:00+01:00", "2026-01-11T06:00:00+01:00"},
		{night, "2026-01-11T05:59:59+01:00", "2026-01-11T06:00:00+01:00"},
		{night, "2026-01-11T06:00:00+01:00", "2026-01-11T06:00:00+01:00"},
		// 29 March: 02:00 is followed by 03:00.
		{night, "2026-03-28T23:30:00+01:00", "2026-03-29T06:00:00+02:00"},
		{Window{clock(1, 0), clock(2, 30)}, "2026-03-29T01:10:00+01:00", "2026-03-29T03:00:00+02:00"},
		// 25 October: 02:00 to 03:00 comes twice.
		{night, "2026-10-24T23:30:00+02:00", "2026-10-25T06:00:00+01:00"},
		{Window{clock(1, 0), clock(2, 30)}, "2026-10-25T01:10:00+02:00", "2026-10-25T02:30:00+02:00"},
		{Window{clock(1, 0), clock(2, 30)}, "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
	} {
		if got := tc.w.after(at(tc.at)); !got.Equal(at(tc.want)) {
			t.Errorf("%v at %s: %v, want %s", tc.w, tc.at, got, tc.want)
		}
	}
}

func TestTooEarly(t *testing.T) {
	e := &entry{}
	var rests []time.Duration
	for range 8 {
		e.note(&Result{Class: Temporary, TooEarly: true})
		rests = append(rests, e.rest)
	}
	if rests[0] != time.Minute || rests[1] != 2*time.Minute || rests[7] != time.Hour {
		t.Errorf("%v", rests)
	}
	e.note(&Result{})
	if e.rest != time.Hour || e.failures != 0 {
		t.Errorf("after a success: rest %v, failures %d", e.rest, e.failures)
	}
}

// TestPastOfTheFuture: what an earlier process wrote under a clock that was
// ahead stops no task.
func TestPastOfTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	ahead := now.AddDate(10, 0, 0)
	for name, s := range map[string]Schedule{
		"every": {Every: 5 * time.Minute},
		"cron":  {Cron: func(t time.Time) time.Time { return t.Add(5 * time.Minute) }},
	} {
		for _, class := range []Class{Usual, Temporary, Refused, Faulty} {
			p := past{started: ahead, earliest: ahead, class: class, rest: time.Minute}
			if class != Usual {
				p.failures = 1
			}
			for _, at := range []time.Time{s.first(p, now, noJitter), s.next(p, now, noJitter)} {
				if at.After(now.Add(24 * time.Hour)) {
					t.Errorf("%s, class %d: due at %v", name, class, at)
				}
			}
		}
	}
}
