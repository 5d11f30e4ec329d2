package fetch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// TestNewMessageUnderAnOldUID: some servers number their messages anew once
// they were deleted. The new one is fetched, and nothing is deleted unseen.
func TestNewMessageUnderAnOldUID(t *testing.T) {
	for _, keep := range []plan.Keep{{}, {None: true}, {Newest: 1}} {
		t.Run(fmt.Sprintf("%+v", keep), func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Account.Policy.Keep = plan.Keep{None: true}
			g.Put("1", "first")
			g.Put("2", "second")
			if s := g.Run(); s.Err != nil || s.Fetched != 2 || s.Deleted != 2 {
				t.Fatalf("%+v", s)
			}
			g.Account.Policy.Keep = keep
			g.Put("1", "other")
			g.Put("2", "another")
			todo, _, err := g.Fetcher.Plan(context.Background(), g.Account)
			if err != nil || len(todo.Retrieve) != 2 || len(todo.Delete) != 0 || todo.Known != 0 {
				t.Errorf("plan: %d to fetch, %d to delete, %d known, err %v", len(todo.Retrieve), len(todo.Delete), todo.Known, err)
			}
			s := g.Run()
			if s.Err != nil || s.Fetched != 2 || g.Delivered() != 4 {
				t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.Delivered(), s.Err)
			}
			if !strings.Contains(fmt.Sprint(s.Notes), "2 new messages recognised") {
				t.Errorf("notes %q", s.Notes)
			}
			if s := g.Run(); s.Err != nil || s.Fetched != 0 || len(s.Notes) != 0 {
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
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Account.Policy.Keep.None = true
			g.Put("1", "first")
			g.Run()
			g.Account.Policy.Keep.None = none
			g.Put("1", "first")
			s := g.Run()
			if s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || g.Delivered() != 1 || len(s.Notes) != b2i(none) {
				t.Errorf("fetched %d, deleted %d, notes %q, err %v", s.Fetched, s.Deleted, s.Notes, s.Err)
			}
			if none {
				if g.Drop.Len() != 0 || !strings.Contains(s.Notes[0], "1 message whose deletion the server confirmed is listed again") {
					t.Errorf("%d left, notes %q", g.Drop.Len(), s.Notes)
				}
				return
			}
			e, _ := g.Entry("1")
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
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoTOP: true, Faults: []pop3test.Fault{refuse, again}})
			g.Account.Policy.Keep.None = true
			g.Put("1", "first")
			if s := g.Run(); s.Err != nil || s.Deleted != 1 {
				t.Fatalf("%+v", s)
			}
			g.Account.Policy.Keep.None = none
			g.Put("1", "other")
			for range 2 {
				s := g.Run()
				if s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || s.Skips[plan.Reappeared] != 1 || g.Drop.Len() != 1 {
					t.Errorf("fetched %d, deleted %d, skipped %v, %d left, err %v", s.Fetched, s.Deleted, s.Skips, g.Drop.Len(), s.Err)
				}
				if !strings.Contains(fmt.Sprint(s.Notes), "could not be compared") {
					t.Errorf("notes %q", s.Notes)
				}
			}
			if s := g.Run(); s.Err != nil || s.Fetched != 1 || s.Deleted != b2i(none) || g.Delivered() != 2 {
				t.Errorf("sent at last: fetched %d, deleted %d, %d delivered, err %v", s.Fetched, s.Deleted, g.Delivered(), s.Err)
			}
		})
	}
}

// TestAllFetchesWhatCannotBeCompared: another way out.
func TestAllFetchesWhatCannotBeCompared(t *testing.T) {
	g := fetchtest.New(t, &pop3test.Maildrop{},
		pop3test.Options{NoTOP: true, Faults: []pop3test.Fault{{On: "RETR", Nth: 2, Do: pop3test.Err("not now")}}})
	g.Account.Policy.Keep.None = true
	g.Put("1", "first")
	g.Run()
	g.Account.Policy.Keep.None = false
	g.Put("1", "other")
	g.Run()
	g.Account.Policy.All = true
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != 2 {
		t.Fatalf("fetched %d, %d delivered, err %v", s.Fetched, g.Delivered(), s.Err)
	}
	g.Account.Policy.All = false
	if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Skipped != 0 || len(s.Notes) != 0 {
		t.Errorf("after that: fetched %d, skipped %d, notes %q, err %v", s.Fetched, s.Skipped, s.Notes, s.Err)
	}
}

// TestReusedUIDAfterPurge: the digest of a listing that needed nothing must not
// hide a new message under a purged unique-id.
func TestReusedUIDAfterPurge(t *testing.T) {
	g := fetchtest.NewFetched(t, 0)
	g.Put("1", "first")
	for range 2 { // the second one knows the listing
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	purge := func() proof.PurgeReport {
		rep, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	if rep := purge(); rep.Deleted != 1 {
		t.Fatalf("%+v", rep)
	}
	g.Put("1", "first") // it came back: purge may delete it again
	if rep := purge(); rep.Eligible != 1 || rep.Deleted != 1 {
		t.Errorf("purge of what came back: %+v", rep)
	}
	g.Put("1", "other") // another one: purge may not
	if rep := purge(); rep.Eligible != 0 || rep.Deleted != 0 || g.Drop.Len() != 1 {
		t.Errorf("purge of another message: %+v", rep)
	}
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != 2 {
		t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.Delivered(), s.Err)
	}
}

// TestReusedUIDAfterPurgeIsFetched: the same without a second purge.
func TestReusedUIDAfterPurgeIsFetched(t *testing.T) {
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Put("1", "first")
	g.Run()
	g.Run()
	g.Account.Policy.Keep.None = true
	if s := g.Run(); s.Deleted != 1 {
		t.Fatalf("%+v", s)
	}
	g.Account.Policy.Keep.None = false
	g.Put("1", "other")
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Delivered() != 2 {
		t.Errorf("fetched %d, %d delivered, err %v", s.Fetched, g.Delivered(), s.Err)
	}
}
