package fetch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestSavedPlanIsDoneExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(5)
	g.account.Limits.Messages = 3
	plan, _, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil {
		t.Fatal(err)
	}
	saved := plan.Saved(g.account, SavedOptions{Limit: 3})
	g.account.Exactly = &saved
	if s := g.run(); s.Err != nil || s.Fetched != 3 {
		t.Fatalf("%+v", s)
	}
	var changed *PlanChangedError
	s := g.run() // it is done already
	if !errors.As(s.Err, &changed) || s.Fetched != 0 || g.delivered() != 3 || ExitOf(s.Err) != ExitTemp {
		t.Fatalf("%+v", s)
	}
	if text := s.Err.Error(); !strings.Contains(text, "2 to fetch that the plan does not have") || !strings.Contains(text, "3 to fetch in the plan") {
		t.Error(text)
	}
}
