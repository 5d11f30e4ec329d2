package fetch_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestNewTarget: what was delivered to a target that the account has no more, a trial
// perhaps, is not deleted for a target that has received nothing.
func TestNewTarget(t *testing.T) {
	t.Parallel()
	for _, keep := range []plan.Keep{{None: true}, {Days: 1}, {Newest: 1}} {
		g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
		g.Add(3)
		if s := g.Run(); s.Err != nil || s.Fetched != 3 || len(s.Notes) != 0 {
			t.Fatalf("%+v", s)
		}
		if err := os.RemoveAll(g.Path("Maildir")); err != nil {
			t.Fatal(err)
		}
		g.Account.Targets = []commit.Target{g.MaildirTarget("Other")}
		g.Account.Policy.Keep = keep
		note := "3 seen messages on the server are not in " + g.Account.Targets[0].ID + ", which was no target when they came"
		for range 2 {
			if s := g.Run(); s.Err != nil || s.Deleted != 0 || strings.Join(s.Notes, "\n") != note {
				t.Errorf("%+v: %v, %d deleted, notes %q", keep, s.Err, s.Deleted, s.Notes)
			}
		}
		if n := g.Drop.Len(); n != 3 {
			t.Errorf("%+v: %d left on the server", keep, n)
		}
	}
}
