package fetch

import (
	"errors"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
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
		exit  Exit
		every time.Duration
		want  []time.Duration // after 1, 2, 3 ... failures
	}{
		{ExitUnavailable, 5 * time.Minute, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}},
		{ExitTemp, 24 * h, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, h, h}},
		{ExitTemp, time.Second, []time.Duration{time.Second, time.Second}},
		{ExitAuth, time.Minute, []time.Duration{15 * time.Minute, h, 4 * h, 4 * h}},
		{ExitProtocol, time.Minute, []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, h, h}},
		{ExitIO, time.Minute, []time.Duration{5 * time.Minute, 10 * time.Minute}},
		{ExitData, time.Minute, []time.Duration{0, 0}},
		{ExitOK, time.Minute, []time.Duration{0}},
	} {
		for i, want := range tc.want {
			if got := (Schedule{Every: tc.every}).pause(tc.exit, i+1); got != want {
				t.Errorf("exit %d, every %v, failure %d: %v, want %v", tc.exit, tc.every, i+1, got, want)
			}
		}
	}
	if got := (Schedule{Every: time.Minute}).pause(ExitAuth, 1_000_000); got != 4*h {
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
		"temporary":                    {every, past{started: start, exit: ExitTemp, failures: 1}, now.Add(30 * time.Second)},
		"temporary, not after regular": {every, past{started: start, exit: ExitTemp, failures: 9}, start.Add(10 * time.Minute)},
		"cron, temporary":              {Schedule{Cron: daily}, past{started: start, exit: ExitUnavailable, failures: 2}, now.Add(time.Minute)},
		"refused":                      {every, past{started: start, exit: ExitAuth, failures: 1}, now.Add(15 * time.Minute)},
		"refused, long interval":       {Schedule{Every: 24 * time.Hour}, past{started: start, exit: ExitAuth, failures: 3}, start.Add(24 * time.Hour)},
		"some messages failed":         {every, past{started: start, exit: ExitData}, start.Add(10 * time.Minute)},
		"login delay":                  {every, past{started: start, login: now.Add(time.Hour)}, now.Add(time.Hour)},
		"known rest":                   {every, past{started: start, rest: time.Hour}, start.Add(time.Hour)},
		"quiet":                        {Schedule{Every: time.Hour, Quiet: Window{12 * time.Hour, 14 * time.Hour}}, past{started: start}, now.Add(2 * time.Hour)},
		"quiet, retry":                 {Schedule{Every: time.Hour, Quiet: Window{12 * time.Hour, 14 * time.Hour}}, past{started: start, exit: ExitTemp, failures: 1}, now.Add(2 * time.Hour)},
		"quiet, login delay": {Schedule{Every: time.Minute, Quiet: Window{13 * time.Hour, 14 * time.Hour}},
			past{started: start, login: now.Add(90 * time.Minute)}, now.Add(2 * time.Hour)},
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
		"refused a moment ago":     {past{started: now.Add(-time.Minute), exit: ExitAuth, failures: 1}, 14 * time.Minute},
		"refused often, long ago":  {past{started: now.Add(-20 * time.Minute), exit: ExitAuth, failures: 7}, 0},
		"unreachable a moment ago": {past{started: now.Add(-10 * time.Second), exit: ExitUnavailable, failures: 7}, 20 * time.Second},
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

func TestTurns(t *testing.T) {
	huge := turnLimits(plan.Limits{}, turn{}, true)
	if huge.Messages != turnMessages || huge.Bytes != turnBytes {
		t.Errorf("a turn of an account without limits: %+v", huge)
	}
	if got := turnLimits(plan.Limits{Rate: 7}, turn{}, false); got != (plan.Limits{Rate: 7}) {
		t.Errorf("nobody waits: %+v", got)
	}
	own := plan.Limits{Messages: turnMessages + 10, Bytes: 100}
	if got := turnLimits(own, turn{messages: turnMessages, bytes: 60}, true); got.Messages != 10 || got.Bytes != 40 {
		t.Errorf("the rest of its own limits: %+v", got)
	}
	cut := func(n int, err error) *Summary {
		return &Summary{Fetched: n, Skips: map[plan.Reason]int{plan.OverLimit: 5}, Err: err}
	}
	for name, tc := range map[string]struct {
		own  plan.Limits
		t    turn
		sum  *Summary
		want bool
	}{
		"all done":         {plan.Limits{}, turn{}, &Summary{Fetched: 7}, false},
		"cut short":        {plan.Limits{}, turn{messages: 7}, cut(7, nil), true},
		"some failed":      {plan.Limits{}, turn{messages: 7}, cut(7, &PartialError{Failed: 1, First: errors.New("x")}), true},
		"no headway":       {plan.Limits{}, turn{messages: 7}, cut(0, nil), false},
		"failed":           {plan.Limits{}, turn{messages: 7}, cut(7, &Error{Exit: ExitTemp, Err: errors.New("x")}), false},
		"own limit":        {plan.Limits{Messages: 7}, turn{messages: 7}, cut(7, nil), false},
		"own limit, bytes": {plan.Limits{Bytes: 7}, turn{bytes: 8}, cut(7, nil), false},
		"own limit later":  {plan.Limits{Messages: 8}, turn{messages: 7}, cut(7, nil), true},
	} {
		if got := tc.t.more(tc.own, tc.sum); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestLearnRest(t *testing.T) {
	tk := &task{}
	early := &Summary{Err: &pop3.Error{Command: "PASS", Code: pop3.LoginDelay}}
	var rests []time.Duration
	for range 8 {
		tk.note(early)
		rests = append(rests, tk.rest)
	}
	if rests[0] != time.Minute || rests[1] != 2*time.Minute || rests[7] != time.Hour {
		t.Errorf("%v", rests)
	}
	tk.note(&Summary{})
	if tk.rest != time.Hour || tk.failures != 0 {
		t.Errorf("after a success: rest %v, failures %d", tk.rest, tk.failures)
	}
}
