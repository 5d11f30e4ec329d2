package fetch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func years(n int) time.Duration { return time.Duration(n) * 365 * day24 }

const day24 = 24 * time.Hour

var clockNow = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

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
