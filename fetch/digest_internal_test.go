package fetch

import (
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// TestPlannedRunKeepsNoDigest: it leaves out what its plan does not name, which
// needs something nevertheless.
func TestPlannedRunKeepsNoDigest(t *testing.T) {
	t.Parallel()
	f, a := &Fetcher{StateDir: t.TempDir()}, &Account{Name: "test", ID: "test"}
	for _, planned := range []*plan.SavedPlan{{}, nil} {
		a.Exactly = planned
		r := f.newRun(a)
		if err := r.holding(t.Context(), func() error { return r.keepDigest([]pop3.Message{{UID: "a", Num: 1}}, &plan.Plan{}) }); err != nil {
			t.Fatal(err)
		}
		if kept := r.facts.List.Count > 0; kept == (planned != nil) {
			t.Errorf("planned %v: kept %v", planned != nil, kept)
		}
	}
}
