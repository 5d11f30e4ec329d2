package fetch

import (
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestGoneBehindTheDigest: what left the listing behind a message that waits
// must not make the ones before it new again.
func TestGoneBehindTheDigest(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.account.Policy.MaxSize = 100
	g.add(5)
	g.drop.Add("", []byte("Subject: big\r\n\r\n"+strings.Repeat("x", 200)+"\r\n"))
	g.add(1)
	for _, want := range []int{6, 0} {
		if s := g.run(); s.Err != nil || s.Fetched != want {
			t.Fatalf("fetched %d, %v", s.Fetched, s.Err)
		}
	}
	g.drop.Remove(6)
	for range 2 {
		if s := g.run(); s.Err != nil || s.Fetched != 0 || g.delivered() != 6 {
			t.Errorf("fetched %d again, %d delivered, %v", s.Fetched, g.delivered(), s.Err)
		}
	}
}

// TestPlannedRunKeepsNoDigest: it leaves out what its plan does not name, which
// needs something nevertheless.
func TestPlannedRunKeepsNoDigest(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	for _, planned := range []*plan.SavedPlan{{}, nil} {
		g.account.Exactly = planned
		r := g.fetcher.newRun(g.account)
		if err := r.holding(t.Context(), func() error { return r.keepDigest([]pop3.Message{{UID: "a", Num: 1}}, &plan.Plan{}) }); err != nil {
			t.Fatal(err)
		}
		if kept := r.facts.List.Count > 0; kept == (planned != nil) {
			t.Errorf("planned %v: kept %v", planned != nil, kept)
		}
	}
}
