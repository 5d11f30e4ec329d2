package fetch_test

import (
	"fmt"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFewMessagesUnderNewUIDs: the server gave its one to three messages new
// unique-ids. Nothing is fetched twice, and what is new is fetched.
func TestFewMessagesUnderNewUIDs(t *testing.T) {
	t.Parallel()
	for _, noTop := range []bool{false, true} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%d messages, no TOP %v", n, noTop), func(t *testing.T) {
				t.Parallel()
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: noTop})
				g.Add(n)
				if s := g.Run(); s.Fetched != n {
					t.Fatalf("%+v", s)
				}
				for turn := range 2 {
					g.Drop.Rename(func(uid string) string { return fmt.Sprint("moved", turn, uid) })
					if s := g.Run(); s.Err != nil || s.Fetched != 0 || len(s.Notes) != 1 {
						t.Errorf("turn %d: %+v", turn, s)
					}
				}
				g.Drop.Rename(func(uid string) string { return "x" + uid })
				g.Add(1)
				if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != n+1 {
					t.Errorf("one more: %+v, %d delivered", s, g.Delivered())
				}
				g.Account.Policy.Keep.None = true
				if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Deleted != n+1 || g.Drop.Len() != 0 {
					t.Errorf("deleting: %+v, %d left", s, g.Drop.Len())
				}
			})
		}
	}
}

// TestOtherMailInAnEmptiedMailbox: what is new is no old message under a new
// unique-id.
func TestOtherMailInAnEmptiedMailbox(t *testing.T) {
	t.Parallel()
	for _, noTop := range []bool{false, true} {
		g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: noTop})
		g.Add(2)
		g.Run()
		g.Drop.Remove(0)
		g.Drop.Remove(0)
		g.Add(3)
		if s := g.Run(); s.Err != nil || s.Fetched != 3 || len(s.Notes) != 0 {
			t.Errorf("no TOP %v: %+v", noTop, s)
		}
	}
}
