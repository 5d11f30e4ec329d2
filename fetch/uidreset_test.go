package fetch

import (
	"fmt"
	"testing"

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
				g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: noTop})
				g.add(n)
				if s := g.run(); s.Fetched != n {
					t.Fatalf("%+v", s)
				}
				for turn := range 2 {
					g.drop.Rename(func(uid string) string { return fmt.Sprint("moved", turn, uid) })
					if s := g.run(); s.Err != nil || s.Fetched != 0 || len(s.Notes) != 1 {
						t.Errorf("turn %d: %+v", turn, s)
					}
				}
				g.drop.Rename(func(uid string) string { return "x" + uid })
				g.add(1)
				if s := g.run(); s.Err != nil || s.Fetched != 1 || g.delivered() != n+1 {
					t.Errorf("one more: %+v, %d delivered", s, g.delivered())
				}
				g.account.Policy.Keep.None = true
				if s := g.run(); s.Err != nil || s.Fetched != 0 || s.Deleted != n+1 || g.drop.Len() != 0 {
					t.Errorf("deleting: %+v, %d left", s, g.drop.Len())
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
		g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: noTop})
		g.add(2)
		g.run()
		g.drop.Remove(0)
		g.drop.Remove(0)
		g.add(3)
		if s := g.run(); s.Err != nil || s.Fetched != 3 || len(s.Notes) != 0 {
			t.Errorf("no TOP %v: %+v", noTop, s)
		}
	}
}

func TestSizeFits(t *testing.T) {
	for _, tc := range []struct {
		delivered, listed int64
		want              bool
	}{
		{5000, 5100, true}, {5000, 10_000, true}, {5000, 12_000, false}, {5000, 3000, false},
		{5000, -1, true}, {-1, 7, true}, {10, 0, true}, {1 << 20, 1 << 10, false},
	} {
		if got := sizeFits(tc.delivered, tc.listed); got != tc.want {
			t.Errorf("%d delivered, %d listed: %v", tc.delivered, tc.listed, got)
		}
	}
}
