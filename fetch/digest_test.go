package fetch_test

import (
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestGoneBehindTheDigest: what left the listing behind a message that waits
// must not make the ones before it new again.
func TestGoneBehindTheDigest(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Account.Policy.MaxSize = 100
	g.Add(5)
	g.Drop.Add("", []byte("Subject: big\r\n\r\n"+strings.Repeat("x", 200)+"\r\n"))
	g.Add(1)
	for _, want := range []int{6, 0} {
		if s := g.Run(); s.Err != nil || s.Fetched != want {
			t.Fatalf("fetched %d, %v", s.Fetched, s.Err)
		}
	}
	g.Drop.Remove(6)
	for range 2 {
		if s := g.Run(); s.Err != nil || s.Fetched != 0 || g.Delivered() != 6 {
			t.Errorf("fetched %d again, %d delivered, %v", s.Fetched, g.Delivered(), s.Err)
		}
	}
}

// TestPlannedRunKeepsNoDigest: it leaves out what its plan does not name, which
// needs something nevertheless.
func TestPlannedRunKeepsNoDigest(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(1)
	todo, _, err := g.Fetcher.Plan(t.Context(), g.Account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved("a", "b", plan.SavedOptions{})
	for _, planned := range []*plan.SavedPlan{&saved, nil} {
		g.Account.Exactly = planned
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		g.View(func(v *state.View) {
			if kept := v.Facts().List.Count > 0; kept == (planned != nil) {
				t.Errorf("planned %v: kept %v", planned != nil, kept)
			}
		})
	}
}
