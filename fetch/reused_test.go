package fetch

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// put adds a message under a UID of the test's choice.
func (g *rig) put(uid, id string) {
	g.drop.Add(uid, fmt.Appendf(nil, "Message-ID: <%s@test>\r\nSubject: %s\r\n\r\nbody\r\n", id, id))
}

// TestNewMessageUnderAnOldUID: some servers number their messages anew once
// they were deleted. The new one is fetched, and nothing is deleted unseen.
func TestNewMessageUnderAnOldUID(t *testing.T) {
	for _, keep := range []plan.Keep{{}, {None: true}, {Newest: 1}} {
		t.Run(fmt.Sprintf("%+v", keep), func(t *testing.T) {
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.account.Policy.Keep = plan.Keep{None: true}
			g.put("1", "first")
			g.put("2", "second")
			if s := g.run(); s.Err != nil || s.Fetched != 2 || s.Deleted != 2 {
				t.Fatalf("%+v", s)
			}
			g.account.Policy.Keep = keep
			g.put("1", "other")
			g.put("2", "another")
			todo, _, err := g.fetcher.Plan(context.Background(), g.account)
			if err != nil || len(todo.Retrieve) != 2 || len(todo.Delete) != 0 || todo.Known != 0 {
				t.Errorf("plan: %d to fetch, %d to delete, %d known, err %v", len(todo.Retrieve), len(todo.Delete), todo.Known, err)
			}
			s := g.run()
			if s.Err != nil || s.Fetched != 2 || g.delivered() != 4 {
				t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.delivered(), s.Err)
			}
			if !strings.Contains(fmt.Sprint(s.Notes), "2 new messages recognised") {
				t.Errorf("notes %q", s.Notes)
			}
			if s := g.run(); s.Err != nil || s.Fetched != 0 || len(s.Notes) != 0 {
				t.Errorf("run after that: %d fetched, notes %q, err %v", s.Fetched, s.Notes, s.Err)
			}
		})
	}
}

// TestDeletedMessageIsListedAgain: the same message is not fetched twice, it is
// deleted again if it should be, and its header is asked for once.
func TestDeletedMessageIsListedAgain(t *testing.T) {
	for _, none := range []bool{false, true} {
		t.Run(fmt.Sprint("keep none ", none), func(t *testing.T) {
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.account.Policy.Keep.None = true
			g.put("1", "first")
			g.run()
			g.account.Policy.Keep.None = none
			g.put("1", "first")
			s := g.run()
			if s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || g.delivered() != 1 || len(s.Notes) != b2i(none) {
				t.Errorf("fetched %d, deleted %d, notes %q, err %v", s.Fetched, s.Deleted, s.Notes, s.Err)
			}
			if none {
				if g.drop.Len() != 0 || !strings.Contains(s.Notes[0], "1 message whose deletion the server confirmed is listed again") {
					t.Errorf("%d left, notes %q", g.drop.Len(), s.Notes)
				}
				return
			}
			e := g.entry("1")
			if !e.Deleted.IsZero() || !e.Done {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestReusedUIDThatCannotBeCompared stays on the server, is not taken for seen,
// and is fetched once the server sends it; a header is not needed.
func TestReusedUIDThatCannotBeCompared(t *testing.T) {
	for _, none := range []bool{false, true} {
		t.Run(fmt.Sprint("keep none ", none), func(t *testing.T) {
			refuse := pop3test.Fault{On: "RETR", Nth: 2, Do: pop3test.Err("not now")} // the first is that of the first run
			again := refuse
			again.Nth = 3
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: true, Faults: []pop3test.Fault{refuse, again}})
			g.account.Policy.Keep.None = true
			g.put("1", "first")
			if s := g.run(); s.Err != nil || s.Deleted != 1 {
				t.Fatalf("%+v", s)
			}
			g.account.Policy.Keep.None = none
			g.put("1", "other")
			for range 2 {
				s := g.run()
				if s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || s.Skips[plan.Reappeared] != 1 || g.drop.Len() != 1 {
					t.Errorf("fetched %d, deleted %d, skipped %v, %d left, err %v", s.Fetched, s.Deleted, s.Skips, g.drop.Len(), s.Err)
				}
				if !strings.Contains(fmt.Sprint(s.Notes), "could not be compared") {
					t.Errorf("notes %q", s.Notes)
				}
			}
			if s := g.run(); s.Err != nil || s.Fetched != 1 || s.Deleted != b2i(none) || g.delivered() != 2 {
				t.Errorf("sent at last: fetched %d, deleted %d, %d delivered, err %v", s.Fetched, s.Deleted, g.delivered(), s.Err)
			}
		})
	}
}

// TestAllFetchesWhatCannotBeCompared: another way out.
func TestAllFetchesWhatCannotBeCompared(t *testing.T) {
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: true, Faults: []pop3test.Fault{{On: "RETR", Nth: 2, Do: pop3test.Err("not now")}}})
	g.account.Policy.Keep.None = true
	g.put("1", "first")
	g.run()
	g.account.Policy.Keep.None = false
	g.put("1", "other")
	g.run()
	g.account.Policy.All = true
	if s := g.run(); s.Err != nil || s.Fetched != 1 || g.delivered() != 2 {
		t.Fatalf("fetched %d, %d delivered, err %v", s.Fetched, g.delivered(), s.Err)
	}
	g.account.Policy.All = false
	if s := g.run(); s.Err != nil || s.Fetched != 0 || s.Skipped != 0 || len(s.Notes) != 0 {
		t.Errorf("after that: fetched %d, skipped %d, notes %q, err %v", s.Fetched, s.Skipped, s.Notes, s.Err)
	}
}

// TestReusedUIDAfterPurge: the digest of a listing that needed nothing must not
// hide a new message under a purged unique-id.
func TestReusedUIDAfterPurge(t *testing.T) {
	g := fetchedRig(t, 0)
	g.put("1", "first")
	for range 2 { // the second one knows the listing
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	purge := func() PurgeReport {
		rep, err := g.fetcher.Purge(context.Background(), g.account, 0, false, func(Check) {})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	if rep := purge(); rep.Deleted != 1 {
		t.Fatalf("%+v", rep)
	}
	g.put("1", "first") // it came back: purge may delete it again
	if rep := purge(); rep.Eligible != 1 || rep.Deleted != 1 {
		t.Errorf("purge of what came back: %+v", rep)
	}
	g.put("1", "other") // another one: purge may not
	if rep := purge(); rep.Eligible != 0 || rep.Deleted != 0 || g.drop.Len() != 1 {
		t.Errorf("purge of another message: %+v", rep)
	}
	if s := g.run(); s.Err != nil || s.Fetched != 1 || g.delivered() != 2 {
		t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.delivered(), s.Err)
	}
}

// TestReusedUIDAfterPurgeIsFetched: the same without a second purge.
func TestReusedUIDAfterPurgeIsFetched(t *testing.T) {
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.put("1", "first")
	g.run()
	g.run()
	g.account.Policy.Keep.None = true
	if s := g.run(); s.Deleted != 1 {
		t.Fatalf("%+v", s)
	}
	g.account.Policy.Keep.None = false
	g.put("1", "other")
	if s := g.run(); s.Err != nil || s.Fetched != 1 || g.delivered() != 2 {
		t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.delivered(), s.Err)
	}
}

func (g *rig) entry(uid string) (e state.Entry) {
	g.t.Helper()
	g.view(func(v *state.View) { e, _ = v.Get(state.NewKey(uid, 0)) })
	return e
}
