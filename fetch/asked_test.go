package fetch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// noted is how many of the notes hold a text.
func noted(notes []string, text string) (n int) {
	for _, note := range notes {
		if strings.Contains(note, text) {
			n++
		}
	}
	return n
}

// TestDeletionsThatAreNeverDone are asked for by each run, and counted and
// compared as what they are: deletions of messages that are there. Also if a
// session breaks between the comparison and QUIT.
func TestDeletionsThatAreNeverDone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		n    int
		drop *pop3test.Maildrop
		o    pop3test.Options
	}{
		{"few", 5, &pop3test.Maildrop{}, pop3test.Options{}},
		{"looked at again by the same run", session.WindowSuspect, &pop3test.Maildrop{}, pop3test.Options{}},
		{"no TOP", 5, &pop3test.Maildrop{}, pop3test.Options{NoTOP: true}},
		{"no UIDL", 5, &pop3test.Maildrop{}, pop3test.Options{NoUIDL: true}},
		{"hashed", 5, &pop3test.Maildrop{HashedUIDs: true}, pop3test.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := fetchtest.New(t, tt.drop, pop3test.Options{})
			g.Account.Policy.Keep.None = true
			g.Add(tt.n)
			tt.o.DeleteLate = 1000 * time.Hour
			if tt.n < session.WindowSuspect {
				tt.o.Faults = []pop3test.Fault{{On: "QUIT", Nth: 3, Do: pop3test.Cut()}}
			}
			g.Piped(tt.o, func(*pop3test.Server) {
				for i := range 4 {
					s := g.Run()
					if i == 2 && tt.n < session.WindowSuspect {
						if s.Err == nil || s.Deleted != 0 || s.Unconfirmed != tt.n {
							t.Errorf("run %d: %+v", i, s)
						}
						continue
					}
					want := tt.n
					if i > 0 {
						want = 0
					}
					says := fmt.Sprintf("%d messages whose deletion the server confirmed are listed again", tt.n)
					if s.Err != nil || s.Deleted != want || noted(s.Notes, says) != b2i(i > 0 || tt.n >= session.WindowSuspect) ||
						noted(s.Notes, "listed again") > 1 {
						t.Errorf("run %d: %d deleted, %q, %v", i, s.Deleted, s.Notes, s.Err)
					}
					time.Sleep(time.Minute)
				}
				if g.Delivered() != tt.n {
					t.Errorf("%d delivered", g.Delivered())
				}
			})
		})
	}
}

// TestUnconfirmedDeletionsAreAnswered by the next listing: what is gone counts,
// and the rest is deleted again, or stays if it now may.
func TestUnconfirmedDeletionsAreAnswered(t *testing.T) {
	t.Parallel()
	lost := pop3test.Fault{On: "QUIT", Do: pop3test.Cut()}
	for _, hash := range []bool{false, true} {
		for _, keep := range []plan.Keep{{None: true}, {}} {
			for _, gone := range []int{0, 2, 5} {
				t.Run(fmt.Sprintf("%+v, %d gone, hashed %v", keep, gone, hash), func(t *testing.T) {
					t.Parallel()
					g := fetchtest.New(t, &pop3test.Maildrop{HashedUIDs: hash}, pop3test.Options{Faults: []pop3test.Fault{lost}})
					g.Account.Policy.Keep.None = true
					g.Add(5)
					if s := g.Run(); s.Unconfirmed != 5 || s.Deleted != 0 {
						t.Fatalf("%+v", s)
					}
					for range gone {
						g.Drop.Remove(0)
					}
					g.Account.Policy.Keep = keep
					want := gone
					if keep.None {
						want = 5
					}
					s := g.Run()
					if s.Err != nil || s.Deleted != want || s.Before != gone || s.Fetched != 0 || len(s.Notes) != 1 ||
						noted(s.Notes, fetch.AnswerNote(gone, 5)) != 1 {
						t.Errorf("%d deleted, %d fetched, %q, %v", s.Deleted, s.Fetched, s.Notes, s.Err)
					}
					if left := g.Drop.Len(); left != 5-want {
						t.Errorf("%d left", left)
					}
					g.Add(1)
					if s := g.Run(); s.Err != nil || s.Fetched != 1 || len(s.Notes) != 0 || g.Delivered() != 6 {
						t.Errorf("after that: %+v", s)
					}
					g.View(func(v *state.View) {
						deleted := 0
						for _, rec := range v.Records() {
							deleted += b2i(rec.WasDeleted())
							if rec.WasAsked() {
								t.Error("still asked for")
							}
						}
						if deleted < want {
							t.Errorf("%d of %d on record as deleted", deleted, want)
						}
					})
				})
			}
		}
	}
}

// TestUniqueIDAgainAfterALostQuit: another message has the unique-id of one whose
// deletion was asked for. It is fetched, whatever is to be kept.
func TestUniqueIDAgainAfterALostQuit(t *testing.T) {
	t.Parallel()
	for _, keep := range []plan.Keep{{}, {None: true}, {Days: 30}} {
		for _, noTop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v, no TOP %v", keep, noTop), func(t *testing.T) {
				t.Parallel()
				g := hashed(t, pop3test.Options{NoTOP: noTop, Faults: []pop3test.Fault{{On: "QUIT", Done: true, Do: pop3test.Cut()}}})
				g.Drop.Add("", alarm("one"))
				if s := g.Run(); s.Unconfirmed != 1 || g.Drop.Len() != 0 {
					t.Fatalf("%+v, %d left", s, g.Drop.Len())
				}
				g.Account.Policy.Keep = keep
				g.Drop.Add("", alarm("two"))
				s := g.Run()
				if s.Err != nil || s.Fetched != 1 || s.Deleted != 1+b2i(keep.None) || noted(s.Notes, fetch.AnswerNote(1, 1)) != 1 {
					t.Errorf("%d fetched, %d deleted, %q, %v", s.Fetched, s.Deleted, s.Notes, s.Err)
				}
				wantBodies(g, "one", "two")
			})
		}
	}
}

// TestNotComparedIsNotAnswered: while the server does not send it, what is listed
// is neither seen nor deleted.
func TestNotComparedIsNotAnswered(t *testing.T) {
	t.Parallel()
	no := func(nth int) pop3test.Fault {
		return pop3test.Fault{On: "RETR 1", Nth: nth, Do: pop3test.Err("not now")}
	}
	g := hashed(t, pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Done: true, Do: pop3test.Cut()}, no(2), no(3)}})
	g.Drop.Add("", alarm("one"))
	g.Run()
	g.Drop.Add("", alarm("two"))
	for range 2 {
		if s := g.Run(); s.Err != nil || s.Deleted != 0 || s.Fetched != 0 || s.Skips[plan.Reappeared] != 1 ||
			noted(s.Notes, "0 of the 1 message") != 1 {
			t.Errorf("%+v", s)
		}
	}
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || s.Deleted != 2 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
	wantBodies(g, "one", "two")
}

// TestNewUniqueIDsAreNoAnswer: the server kept the messages and gave them others.
func TestNewUniqueIDsAreNoAnswer(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Do: pop3test.Cut()}}})
	g.Account.Policy.Keep.None = true
	g.Add(5)
	g.Run()
	g.Drop.Rename(func(uid string) string { return "moved" + uid })
	if s := g.Run(); s.Err != nil || s.Deleted != 5 || s.Fetched != 0 || noted(s.Notes, "not confirmed") != 0 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
}

// TestPurgeAnswers what an earlier purge asked for.
func TestPurgeAnswers(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 5)
	g.Piped(pop3test.Options{Faults: []pop3test.Fault{{On: "QUIT", Nth: 2, Do: pop3test.Cut()}}}, func(*pop3test.Server) {
		purge := func() (proof.PurgeReport, error) {
			return g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
		}
		if rep, err := purge(); err == nil || rep.Unconfirmed != 5 || rep.Deleted != 0 {
			t.Fatalf("%+v %v", rep, err)
		}
		g.Drop.Remove(0)
		g.Drop.Remove(0)
		rep, err := purge()
		if err != nil || rep.Deleted != 3 || rep.Eligible != 3 || noted(rep.Notes, fetch.AnswerNote(2, 5)) != 1 || g.Drop.Len() != 0 {
			t.Errorf("%+v %v", rep, err)
		}
		if rep := g.Report(); rep.Deleted != 5 {
			t.Errorf("%d on record as deleted", rep.Deleted)
		}
	})
}

// TestDiffOfAskedDeletions: what is listed is not taken for seen before it is
// compared.
func TestDiffOfAskedDeletions(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(4)
	g.Run()
	keys := make([]state.Key, 0, 4)
	list := make([]pop3.Message, 0, 4)
	for i, m := range g.Drop.Messages() {
		keys, list = append(keys, state.NewKey(m.UID, 0)), append(list, pop3.Message{Num: i + 1, UID: m.UID})
	}
	apply(g, &state.Change{Asked: keys[:3]})
	g.View(func(v *state.View) {
		k := plan.KnownOf(v)
		k.Compared = map[state.Key]bool{keys[1]: false}
		p := plan.Diff(list[1:], k, plan.Policy{Keep: plan.Keep{None: true}}, plan.Limits{}, time.Now())
		if len(p.Delete) != 2 || len(p.Skip) != 1 || p.Skip[0].Why != plan.Reappeared ||
			fmt.Sprint(p.Asked, p.Vanished) != fmt.Sprint(keys[2:3], keys[:1]) {
			t.Errorf("delete %v, skip %v, asked %q, vanished %q", p.Delete, p.Skip, p.Asked, p.Vanished)
		}
	})
}

// TestReportOfAnotherMessage: what cannot be compared, or is another message, is
// not here, whatever its unique-id says.
func TestReportOfAnotherMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		faults []pop3test.Fault
		reason string
	}{
		{nil, "1 message is never fetched"},
		{[]pop3test.Fault{{On: "RETR", Nth: 2, Do: pop3test.Err("not now")}}, "1 message is under the unique-id of a deleted one"},
	} {
		g := hashed(t, pop3test.Options{Faults: tt.faults})
		g.Drop.Add("", alarm("one"))
		g.Run()
		g.Drop.Add("", alarm("two"))
		rep := g.Report()
		if rep.Server.Here+rep.Server.Unverified != 0 || rep.Server.StillListed != 0 || len(rep.Reasons) == 0 ||
			!strings.Contains(fmt.Sprint(rep.Reasons), tt.reason) {
			t.Errorf("%q: %+v %q", tt.reason, rep.Server, rep.Reasons)
		}
	}
}

func apply(g *fetchtest.Rig, c *state.Change) {
	g.T.Helper()
	db, err := state.Open(state.Path(g.Fetcher.StateDir, g.Account.ID), state.Options{})
	if err == nil {
		err = db.Apply(c)
	}
	if err != nil {
		g.T.Fatal(err)
	}
	if err := db.Close(); err != nil {
		g.T.Fatal(err)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
