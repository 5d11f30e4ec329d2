package fetch_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestSavedPlanIsDoneExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(5)
	g.Account.Limits.Messages = 3
	todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.Account.Name, g.Account.ID, plan.SavedOptions{Limit: 3})
	g.Account.Exactly = &saved
	if s := g.Run(); s.Err != nil || s.Fetched != 3 {
		t.Fatalf("%+v", s)
	}
	var changed *plan.ChangedError
	s := g.Run() // it is done already
	if !errors.As(s.Err, &changed) || s.Fetched != 0 || g.Delivered() != 3 || fetch.ExitOf(s.Err) != fetch.ExitTemp {
		t.Fatalf("%+v", s)
	}
	if text := s.Err.Error(); !strings.Contains(text, "not in the saved plan: 2 to fetch") ||
		!strings.Contains(text, "only in the saved plan: 3 to fetch") {
		t.Error(text)
	}
}

// A maildrop of that size is looked at again once it was emptied. What shows
// then is not in the plan; and what was done is not missing from it.
func TestSavedPlanOverSessions(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.Account.Policy.Keep.None = true
	g.Add(300)
	todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.Account.Name, g.Account.ID, plan.SavedOptions{})
	g.Account.Exactly = &saved
	if s := g.Run(); s.Err != nil || s.Fetched != 120 || s.Deleted != 120 || g.Drop.Len() != 180 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
}

// A session that breaks is followed by one that does the rest of the plan,
// deletions included.
func TestSavedPlanAfterABrokenSession(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", Do: pop3test.Cut()}}})
	g.Account.Policy.Keep.None = true
	g.Add(4)
	todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.Account.Name, g.Account.ID, plan.SavedOptions{})
	g.Account.Exactly = &saved
	if s := g.Run(); s.Err != nil || s.Sessions != 2 || s.Fetched != 4 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
}

// TestPlanFileNamesDifferences: what a plan lacks and what it has too much.
func TestPlanFileNamesDifferences(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 3)
	g.Account.Policy.Keep.None = true
	g.Add(2)
	todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil {
		t.Fatal(err)
	}
	saved := todo.Saved(g.Account.Name, g.Account.ID, plan.SavedOptions{})
	if len(saved.Delete) != 3 || len(saved.Retrieve) != 2 {
		t.Fatalf("%+v", saved)
	}
	g.Account.Exactly = &saved
	g.Add(7)
	s := g.Run()
	for _, text := range []string{"not in the saved plan: 7 to fetch", `"..."`} {
		if s.Err == nil || !strings.Contains(s.Err.Error(), text) {
			t.Errorf("new mail: %v lacks %q", s.Err, text)
		}
	}
	g.Account.Policy.Keep = plan.Keep{}
	if s := g.Run(); s.Err == nil || !strings.Contains(s.Err.Error(), "only in the saved plan: 3 to delete") {
		t.Errorf("another policy: %v", s.Err)
	}
	if g.Drop.Len() != 12 || g.Delivered() != 3 {
		t.Errorf("a refused plan did something: %d left, %d delivered", g.Drop.Len(), g.Delivered())
	}
	g.Account.Policy.Keep.None = true
	fresh, _, _ := g.Fetcher.Plan(context.Background(), g.Account)
	saved = fresh.Saved(g.Account.Name, g.Account.ID, plan.SavedOptions{})
	if s := g.Run(); s.Err != nil || s.Deleted != 12 || g.Delivered() != 12 {
		t.Errorf("the plan of now: %+v", s)
	}
}
