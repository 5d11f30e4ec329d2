package fetch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

func years(n int) time.Duration { return time.Duration(n) * 365 * day24 }

const day24 = 24 * time.Hour

var clockNow = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestAge(t *testing.T) {
	jumped := clockNow.Add(-10 * day24)
	cases := []struct {
		name     string
		at, from time.Time
		want     time.Duration
	}{
		{"usual", clockNow.Add(-20 * day24), time.Time{}, 20 * day24},
		{"before a jump", clockNow.Add(-20 * day24), jumped, 10 * day24},
		{"after a jump", clockNow.Add(-5 * day24), jumped, 5 * day24},
		{"of 1975, before a jump", clockNow.Add(-years(51)), jumped, 10 * day24},
		{"of the future, before a jump", clockNow.Add(years(10)), jumped, 10 * day24},
		{"of the future", clockNow.Add(years(10)), time.Time{}, 0},
		{"a minute ahead", clockNow.Add(time.Minute), time.Time{}, -time.Minute},
	}
	for _, c := range cases {
		if got := age(c.at, c.from, clockNow); got != c.want {
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
		"an hour ago":    {clockNow.Add(-time.Hour), false},
		"a month ago":    {clockNow.Add(-31 * day24), false},
		"years ago":      {clockNow.Add(-years(3)), true},
		"a second ahead": {clockNow.Add(time.Second), false},
		"an hour ahead":  {clockNow.Add(time.Hour), true},
		"years ahead":    {clockNow.Add(years(10)), true},
	} {
		for _, old := range []bool{false, true} {
			f := state.Facts{ClockSeen: c.seen}
			if old {
				f = state.Facts{LastPoll: c.seen}
			}
			if got := noteJump(&f, clockNow); got != c.want || got != f.ClockJumped.Equal(clockNow) {
				t.Errorf("%s: %t, %v", name, got, f.ClockJumped)
			}
		}
	}
}

func TestAgesFrom(t *testing.T) {
	built := clockNow.Add(-30 * day24)
	for name, c := range map[string]struct{ jumped, now, want time.Time }{
		"no jump":               {time.Time{}, clockNow, time.Time{}},
		"a jump":                {clockNow.Add(-day24), clockNow, clockNow.Add(-day24)},
		"before it was built":   {time.Time{}, built.Add(-day24), built.Add(-day24)},
		"a jump of the future":  {clockNow.Add(years(10)), clockNow, clockNow},
		"built, and no history": {time.Time{}, built, time.Time{}},
	} {
		if got := agesFrom(&state.Facts{ClockJumped: c.jumped}, c.now, built); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDueAt(t *testing.T) {
	for name, c := range map[string]struct{ last, next, want time.Time }{
		"an hour":               {clockNow, clockNow.Add(time.Hour), clockNow.Add(time.Hour)},
		"a week":                {clockNow, clockNow.Add(longestPause), clockNow.Add(longestPause)},
		"under a clock ahead":   {clockNow.Add(years(10)), clockNow.Add(years(10) + time.Hour), clockNow},
		"a day ahead":           {clockNow.Add(day24), clockNow.Add(25 * time.Hour), clockNow},
		"longer than any pause": {time.Time{}, clockNow.Add(years(1)), clockNow},
	} {
		if got := dueAt(&state.Failure{Last: c.last, Next: c.next}, clockNow); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPastOfTheFuture: what an earlier process wrote under a clock that was
// ahead stops no account.
func TestPastOfTheFuture(t *testing.T) {
	ahead := clockNow.Add(years(10))
	for name, s := range map[string]Schedule{
		"every": {Every: 5 * time.Minute},
		"cron":  {Cron: func(t time.Time) time.Time { return t.Add(5 * time.Minute) }},
	} {
		for _, exit := range []Exit{ExitOK, ExitTemp, ExitAuth, ExitConfig} {
			p := past{started: ahead, login: ahead, exit: exit, failures: b2i(exit != ExitOK), rest: time.Minute}
			for _, at := range []time.Time{s.first(p, clockNow, noJitter), s.next(p, clockNow, noJitter)} {
				if at.After(clockNow.Add(day24)) {
					t.Errorf("%s, exit %d: due at %v", name, exit, at)
				}
			}
		}
	}
}

// TestFirstRunIn1975 deletes nothing by age until it has been known for so long
// under one plausible clock.
func TestFirstRunIn1975(t *testing.T) {
	t.Parallel()
	g, at := clockRig(t, time.Date(1975, 1, 1, 0, 0, 0, 0, time.UTC))
	g.account.Policy.Keep.Days = 14
	steps := []struct {
		to   time.Time
		want int
	}{
		{*at, 0},
		{at.Add(20 * day24), 0}, // the clock is still wrong
		{clockNow, 0},
		{clockNow.Add(time.Hour), 0},
		{clockNow.Add(13 * day24), 0},
		{clockNow.Add(15 * day24), 2},
	}
	for _, s := range steps {
		*at = s.to
		if sum := g.run(); sum.Err != nil || sum.Deleted != s.want {
			t.Errorf("at %v: %d deleted, %v, want %d", s.to, sum.Deleted, sum.Err, s.want)
		}
	}
}

// TestRunIn2036 forgets and deletes nothing, and stops nothing once the clock is
// right again.
func TestRunIn2036(t *testing.T) {
	t.Parallel()
	g, at := clockRig(t, clockNow)
	g.account.Policy.Keep.Days = 14
	if s := g.run(); s.Err != nil || s.Fetched != 2 {
		t.Fatal(s)
	}
	kept := g.drop.Messages() // a server that lists a part: the rest comes again
	g.drop.Remove(0)
	g.drop.Remove(0)
	g.add(1)
	for _, to := range []time.Time{clockNow.Add(time.Hour), clockNow.Add(years(10)), clockNow.Add(years(10) + time.Hour)} {
		*at = to
		s := g.run()
		if s.Err != nil || s.Deleted != 0 || s.Known != 3 {
			t.Errorf("at %v: %d deleted, %d known, %v", to, s.Deleted, s.Known, s.Err)
		}
		if jumped := to.Equal(clockNow.Add(years(10))); jumped != (len(s.Notes) == 1) {
			t.Errorf("at %v: notes %q", to, s.Notes)
		}
	}
	for i, m := range kept {
		g.drop.Insert(i, m.UID, m.Body)
	}
	*at = clockNow.Add(2 * time.Hour)
	if s := g.run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || len(s.Notes) != 1 {
		t.Errorf("back: %d fetched, %d deleted, %q, %v", s.Fetched, s.Deleted, s.Notes, s.Err)
	}
}

// clockRig has two messages and a clock that the test sets.
func clockRig(t *testing.T, at time.Time) (*rig, *time.Time) {
	t.Helper()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(2)
	g.fetcher.Now = func() time.Time { return at }
	return g, &at
}

// TestClockSetBackInLoop: a run that is planned under a clock that is ahead is
// planned again when the clock is set.
func TestClockSetBackInLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		ahead.Store(int64(years(10)))
		runs := 0
		l := &Loop{random: noJitter, Fetcher: &Fetcher{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }}}
		l.poll = func(context.Context, *Account) Summary {
			runs++
			return Summary{Started: l.Fetcher.Now()}
		}
		r := Roster{Jobs: []Job{{Name: "a", ID: "a",
			Schedule: Schedule{Cron: func(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }},
			Open:     func() (*Account, error) { return &Account{Name: "a", ID: "a"}, nil }}}}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour+time.Minute)
		defer cancel()
		go func() {
			time.Sleep(150 * time.Minute)
			ahead.Store(0)
		}()
		_ = l.Run(ctx, r)
		if runs < 5 || runs > 7 {
			t.Errorf("%d runs in six hours, want one an hour", runs)
		}
	})
}
