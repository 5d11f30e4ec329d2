package fetch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestSavedPlanIsDoneExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(5)
	g.account.Limits.Messages = 3
	todo, _, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.account.Name, g.account.ID, plan.SavedOptions{Limit: 3})
	g.account.Exactly = &saved
	if s := g.run(); s.Err != nil || s.Fetched != 3 {
		t.Fatalf("%+v", s)
	}
	var changed *plan.ChangedError
	s := g.run() // it is done already
	if !errors.As(s.Err, &changed) || s.Fetched != 0 || g.delivered() != 3 || ExitOf(s.Err) != ExitTemp {
		t.Fatalf("%+v", s)
	}
	if text := s.Err.Error(); !strings.Contains(text, "2 to fetch that the plan does not have") || !strings.Contains(text, "3 to fetch in the plan") {
		t.Error(text)
	}
}

// A maildrop of that size is looked at again once it was emptied. What shows
// then is not in the plan; and what was done is not missing from it.
func TestSavedPlanOverSessions(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.account.Policy.Keep.None = true
	g.add(300)
	todo, _, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.account.Name, g.account.ID, plan.SavedOptions{})
	g.account.Exactly = &saved
	if s := g.run(); s.Err != nil || s.Fetched != 120 || s.Deleted != 120 || g.drop.Len() != 180 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
}

// A session that breaks is followed by one that does the rest of the plan,
// deletions included.
func TestSavedPlanAfterABrokenSession(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", Do: pop3test.Cut()}}})
	g.account.Policy.Keep.None = true
	g.add(4)
	todo, _, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.account.Name, g.account.ID, plan.SavedOptions{})
	g.account.Exactly = &saved
	if s := g.run(); s.Err != nil || s.Sessions != 2 || s.Fetched != 4 || g.drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
}
