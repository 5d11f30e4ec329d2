package fetch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
