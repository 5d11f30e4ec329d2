package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// retained is one message in the model of a maildrop.
type retained struct {
	uid   string
	first int // the day of the run that saw it first; -1: not yet
	size  int64
}

// obey is what a composite policy leaves of a maildrop, written for reading
// and not for speed, and by which rule the rest goes.
func obey(drop []retained, k plan.Keep, today int) (stay []retained, gone map[string]plan.Rule) {
	gone = make(map[string]plan.Rule)
	total := int64(0)
	for i, m := range drop {
		total += m.size
		newer := len(drop) - 1 - i // the order of arrival is the order of first sight
		switch {
		case k.Days > 0 && m.first >= 0 && today-m.first > k.Days:
			gone[m.uid] = plan.RuleDays
		case k.Newest > 0 && newer >= k.Newest:
			gone[m.uid] = plan.RuleNewest
		}
		if gone[m.uid] != plan.NoRule {
			total -= m.size
		}
	}
	for _, m := range drop {
		// What is new is not delivered yet when the plan is made.
		if k.Below > 0 && total > k.Below && gone[m.uid] == plan.NoRule && m.first >= 0 {
			gone[m.uid] = plan.RuleBelow
			total -= m.size
		}
	}
	for _, m := range drop {
		if gone[m.uid] == plan.NoRule {
			m.first = max(m.first, -1)
			if m.first < 0 {
				m.first = today
			}
			stay = append(stay, m)
		}
	}
	return stay, gone
}

// TestRetentionOverMonths runs once a day for two months, with mail coming and
// going, and compares plan, run and server with the model each day.
func TestRetentionOverMonths(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]plan.Keep{
		"days":      {Days: 14},
		"newest":    {Newest: 10},
		"below":     {Below: 6000},
		"composite": {Days: 10, Newest: 18, Below: 9500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Account.Policy.Keep = k
			start := time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)
			var model []retained
			rules := make(map[plan.Rule]int)
			arrived := 0
			for day := range 60 {
				g.Fetcher.Now = func() time.Time { return start.AddDate(0, 0, day) }
				for range []int{2, 0, 5, 1, 0, 30, 1}[day%7] % 13 {
					arrived++
					m := retained{fmt.Sprintf("u%04d", arrived), -1, int64(100 + arrived*37%900)}
					body := fmt.Appendf(nil, "Message-ID: <%d@x>\r\n\r\n", arrived)
					body = append(body, bytes.Repeat([]byte("x"), int(m.size)-len(body)-2)...)
					g.Drop.Add(m.uid, append(body, "\r\n"...))
					model = append(model, m)
				}
				var want map[string]plan.Rule
				model, want = obey(model, k, day)
				wantDeletions(g, day, want)
				for _, r := range want {
					rules[r]++
				}
				wantLeft(g, day, model)
			}
			if g.Delivered() != arrived {
				t.Errorf("%d delivered of %d", g.Delivered(), arrived)
			}
			for rule, used := range map[plan.Rule]bool{plan.RuleDays: k.Days > 0, plan.RuleNewest: k.Newest > 0,
				plan.RuleBelow: k.Below > 0} {
				if used != (rules[rule] > 0) {
					t.Errorf("rule %d ordered %d deletions", rule, rules[rule])
				}
			}
		})
	}
}

// wantDeletions asks for the plan, which must change nothing, and then runs.
func wantDeletions(g *fetchtest.Rig, day int, want map[string]plan.Rule) {
	g.T.Helper()
	before := g.Drop.Len()
	todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil || g.Drop.Len() != before {
		g.T.Fatalf("day %d: plan: %v, %d of %d left", day, err, g.Drop.Len(), before)
	}
	got := make(map[string]plan.Rule)
	for _, items := range [][]plan.Item{todo.Delete, todo.Retrieve} {
		for i := range items {
			if items[i].Delete != (items[i].Rule != plan.NoRule) {
				g.T.Errorf("day %d: %s: delete %v by rule %d", day, items[i].UID, items[i].Delete, items[i].Rule)
			}
			if items[i].Delete {
				got[items[i].UID] = items[i].Rule
			}
		}
	}
	if !maps.Equal(got, want) {
		g.T.Fatalf("day %d: the plan deletes %v, want %v", day, got, want)
	}
	if s := g.Run(); s.Err != nil || s.Deleted != len(want) {
		g.T.Fatalf("day %d: %d deleted, want %d: %v", day, s.Deleted, len(want), s.Err)
	}
}

func wantLeft(g *fetchtest.Rig, day int, model []retained) {
	g.T.Helper()
	var got, want []string
	for _, m := range g.Drop.Messages() {
		got = append(got, m.UID)
	}
	for _, m := range model {
		want = append(want, m.uid)
	}
	if !slices.Equal(got, want) {
		g.T.Fatalf("day %d: left %v, want %v", day, got, want)
	}
}

// TestRetentionHeedsImportedAge: the age of an imported entry counts from when
// the other program saw it, and it is deleted only if that is trusted.
func TestRetentionHeedsImportedAge(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Account.Policy.Keep = plan.Keep{Days: 14}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	g.Fetcher.Now = func() time.Time { return now }
	for _, uid := range []string{"old", "young", "undated", "new"} {
		g.Drop.Add(uid, fetchtest.Numbered(len(uid)))
	}
	added, err := g.Fetcher.TakeOver(context.Background(), g.Account, false, func(server []string) ([]fetch.SeenElsewhere, error) {
		if server != nil {
			t.Errorf("offline, but given %q", server)
		}
		return []fetch.SeenElsewhere{{"old", now.AddDate(0, 0, -15)}, {"young", now.AddDate(0, 0, -3)}, {"undated", time.Time{}},
			{"old", now}}, nil
	})
	if err != nil || added != 3 {
		t.Fatalf("%d taken over, %v", added, err)
	}
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 0 {
		t.Fatalf("%+v", s)
	}
	g.Account.Policy.TrustImported = true
	if s := g.Run(); s.Err != nil || s.Deleted != 1 || g.Drop.Messages()[0].UID != "young" {
		t.Fatalf("trusted: %+v", s)
	}
	now = now.AddDate(0, 0, 13)
	if s := g.Run(); s.Err != nil || s.Deleted != 1 || g.Drop.Len() != 2 {
		t.Fatalf("13 days later: %+v", s)
	}
	now = now.AddDate(0, 0, 3)
	if s := g.Run(); s.Err != nil || s.Deleted != 2 || g.Drop.Len() != 0 {
		t.Fatalf("16 days later: %+v", s)
	}
}

// TestBudgetOfADayGoesOn: what a day's budget stops, the next day continues.
func TestBudgetOfADayGoesOn(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	now := time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)
	g.Fetcher.Now = func() time.Time { return now }
	body := append(bytes.Repeat([]byte("x"), 998), "\r\n"...)
	for i := range 10 {
		g.Drop.Add(fmt.Sprint(i), slices.Concat(fmt.Appendf(nil, "Message-ID: <%d@x>\r\n\r\n", i), body))
	}
	g.Account.Limits.BytesPerDay = 3600
	var got []int
	for range 6 {
		s := g.Run()
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		got = append(got, s.Fetched)
		now = now.Add(3 * time.Hour) // 20:00, 23:00, 2:00, 5:00, 8:00, 11:00
	}
	if want := []int{3, 0, 3, 0, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("fetched %v, want %v", got, want)
	}
	now = now.Add(24 * time.Hour)
	if s := g.Run(); s.Fetched != 3 {
		t.Errorf("the third day: %d", s.Fetched)
	}
	now = now.Add(24 * time.Hour)
	if s := g.Run(); s.Fetched != 1 || g.Delivered() != 10 {
		t.Errorf("the fourth day: %d, %d in all", s.Fetched, g.Delivered())
	}
}
