package fetch_test

import (
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func years(n int) time.Duration { return time.Duration(n) * 365 * day24 }

const day24 = 24 * time.Hour

var clockNow = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// TestFirstRunIn1975 deletes nothing by age until it has been known for so long
// under one plausible clock.
func TestFirstRunIn1975(t *testing.T) {
	t.Parallel()
	g, at := clockRig(t, time.Date(1975, 1, 1, 0, 0, 0, 0, time.UTC))
	g.Account.Policy.Keep.Days = 14
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
		if sum := g.Run(); sum.Err != nil || sum.Deleted != s.want {
			t.Errorf("at %v: %d deleted, %v, want %d", s.to, sum.Deleted, sum.Err, s.want)
		}
	}
}

// TestRunIn2036 forgets and deletes nothing, and stops nothing once the clock is
// right again.
func TestRunIn2036(t *testing.T) {
	t.Parallel()
	g, at := clockRig(t, clockNow)
	g.Account.Policy.Keep.Days = 14
	if s := g.Run(); s.Err != nil || s.Fetched != 2 {
		t.Fatal(s)
	}
	kept := g.Drop.Messages() // a server that lists a part: the rest comes again
	g.Drop.Remove(0)
	g.Drop.Remove(0)
	g.Add(1)
	for _, to := range []time.Time{clockNow.Add(time.Hour), clockNow.Add(years(10)), clockNow.Add(years(10) + time.Hour)} {
		*at = to
		s := g.Run()
		if s.Err != nil || s.Deleted != 0 || s.Known != 3 {
			t.Errorf("at %v: %d deleted, %d known, %v", to, s.Deleted, s.Known, s.Err)
		}
		if jumped := to.Equal(clockNow.Add(years(10))); jumped != (len(s.Notes) == 1) {
			t.Errorf("at %v: notes %q", to, s.Notes)
		}
	}
	for i, m := range kept {
		g.Drop.Insert(i, m.UID, m.Body)
	}
	*at = clockNow.Add(2 * time.Hour)
	if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || len(s.Notes) != 1 {
		t.Errorf("back: %d fetched, %d deleted, %q, %v", s.Fetched, s.Deleted, s.Notes, s.Err)
	}
}

// clockRig has two messages and a clock that the test sets.
func clockRig(t *testing.T, at time.Time) (*fetchtest.Rig, *time.Time) {
	t.Helper()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(2)
	g.Fetcher.Now = func() time.Time { return at }
	return g, &at
}
