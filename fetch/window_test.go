package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

func TestGmailWindowIsFetchedToItsEnd(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Oldest: 30, Gmail: true},
		pop3test.Options{Capa: []string{"USER", "TOP", "UIDL", "RESP-CODES", "X-GOOGLE-RICO", "EXPIRE 0"}})
	g.Add(100)
	s := g.Run()
	if s.Err != nil || s.Fetched != 100 || g.Delivered() != 100 {
		t.Fatalf("fetched %d, %d delivered, err %v", s.Fetched, g.Delivered(), s.Err)
	}
	if s.Sessions != 5 { // four with messages, one that finds the list empty
		t.Errorf("%d sessions", s.Sessions)
	}
	if s := g.Run(); s.Fetched != 0 || s.Err != nil {
		t.Errorf("second run: %d fetched, err %v", s.Fetched, s.Err)
	}
	if g.Delivered() != 100 {
		t.Errorf("%d delivered after the second run", g.Delivered())
	}
}

func TestWindowOfNewestIsEmptiedByDeleting(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.Account.Policy.Keep.None = true
	g.Add(300)
	s := g.Run()
	if s.Err != nil || s.Fetched != 300 || s.Deleted != 300 || g.Delivered() != 300 || g.Drop.Len() != 0 {
		t.Fatalf("%+v, %d delivered, %d left", s, g.Delivered(), g.Drop.Len())
	}
	if s.Sessions != 3 {
		t.Errorf("%d sessions", s.Sessions)
	}
}

func TestWindowKeptIsListedOnce(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.Add(300)
	if s := g.Run(); s.Err != nil || s.Fetched != 120 || s.Sessions != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestLimitHoldsOverSessions(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.Account.Policy.Keep.None = true
	g.Account.Limits.Messages = 150
	g.Add(300)
	if s := g.Run(); s.Err != nil || s.Fetched != 150 || g.Drop.Len() != 150 {
		t.Fatalf("%+v, %d left", s, g.Drop.Len())
	}
}

func TestNewUIDsAreRecognisedByHeaders(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(50)
	if s := g.Run(); s.Fetched != 50 {
		t.Fatalf("%+v", s)
	}
	g.Drop.Rename(func(uid string) string { return "moved-" + uid })
	g.Add(3)
	todo, notes, err := g.Fetcher.Plan(context.Background(), g.Account)
	if err != nil || len(todo.Retrieve) != 3 || todo.Known != 50 || len(notes) != 1 {
		t.Errorf("plan: %d to fetch, %d known, notes %q, err %v", len(todo.Retrieve), todo.Known, notes, err)
	}
	s := g.Run()
	if s.Err != nil || s.Fetched != 3 || g.Delivered() != 53 {
		t.Fatalf("fetched %d, err %v", s.Fetched, s.Err)
	}
	if len(s.Notes) == 0 {
		t.Error("no note of the change")
	}
	if s := g.Run(); s.Fetched != 0 || len(s.Notes) != 0 {
		t.Errorf("third run: %d fetched, notes %q", s.Fetched, s.Notes)
	}
}

func TestNewMailInPlaceOfOldIsFetched(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{Newest: 20}, pop3test.Options{})
	g.Add(20)
	g.Run()
	g.Add(20)
	if s := g.Run(); s.Err != nil || s.Fetched != 20 {
		t.Fatalf("%+v", s)
	}
}

func TestImportedUIDsGoneStopTheRun(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(20)
	if _, _, err := g.Fetcher.MarkSeen(context.Background(), g.Account, fetch.MarkRule{All: true}); err != nil {
		t.Fatal(err)
	}
	g.Drop.Rename(func(uid string) string { return "moved-" + uid })
	s := g.Run()
	if fetch.ExitOf(s.Err) != fetch.ExitTemp || s.Fetched != 0 || g.Delivered() != 0 || !errors.As(s.Err, new(*session.UnknownMailError)) {
		t.Fatalf("%+v", s)
	}
}

func TestLoginDelayIsHonoured(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{LoginDelay: 300 * time.Second})
	g.Add(1)
	if s := g.Run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	before := g.Server.Connections()
	s := g.Run()
	if fetch.ExitOf(s.Err) != fetch.ExitTemp || g.Server.Connections() != before {
		t.Fatalf("err %v, %d connections", s.Err, g.Server.Connections()-before)
	}
	later := time.Now().Add(301 * time.Second)
	g.Fetcher.Now = func() time.Time { return later }
	if s := g.Run(); fetch.ExitOf(s.Err) != fetch.ExitTemp { // the server's clock is the real one
		t.Fatalf("err %v", s.Err)
	}
	if g.Server.Connections() != before+1 {
		t.Fatal("no connection when the delay was over")
	}
}

func TestDailyBudget(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(10)
	size := int64(len(g.Drop.Messages()[0].Body))
	g.Account.Limits.BytesPerDay = 4*size + size/2
	now := time.Now()
	g.Fetcher.Now = func() time.Time { return now }
	var got []int
	for range 3 {
		got = append(got, g.Run().Fetched)
	}
	now = now.Add(24 * time.Hour)
	got = append(got, g.Run().Fetched)
	if fmt.Sprint(got) != "[4 0 0 4]" {
		t.Fatalf("fetched %v", got)
	}
}

type reporterFunc func(fetch.Event)

func (f reporterFunc) Report(e fetch.Event) { f(e) }

// TestSlotIsFreeOffline: the next account begins when the session of the one
// before is over, not only when all is recorded; but not beside its After.
func TestSlotIsFreeOffline(t *testing.T) {
	for _, after := range []bool{false, true} {
		g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
		g.Add(1)
		g.Piped(pop3test.Options{}, func(*pop3test.Server) { slotIsFreeOffline(t, g, after) })
	}
}

// slotIsFreeOffline runs in a bubble: what has not begun after a time there does
// not begin.
func slotIsFreeOffline(t *testing.T, g *fetchtest.Rig, after bool) {
	second := *g.Account
	second.Name, second.ID = "second", "second"
	connecting := make(chan struct{})
	began := func(wait time.Duration) bool {
		select {
		case <-connecting:
			return true
		case <-time.After(wait):
			return false
		}
	}
	if after {
		g.Account.After = func(context.Context, *fetch.Summary) error {
			if began(50 * time.Millisecond) {
				t.Error("the second account began beside the first one's After")
			}
			return nil
		}
	}
	g.Fetcher.Parallel = 1
	g.Fetcher.Reporter = reporterFunc(func(e fetch.Event) {
		switch {
		case e.Account == "second" && e.Stage == ledger.Connecting:
			close(connecting)
		case e.Account == "test" && e.Stage == ledger.Finished && !after && !began(10*time.Second):
			t.Error("the second account did not begin")
		}
	})
	for _, s := range g.Fetcher.Run(context.Background(), []*fetch.Account{g.Account, &second}) {
		if s.Err != nil {
			t.Error(s.Err)
		}
	}
}

// TestLongListing: a poll of a large maildrop asks for the sizes only if
// something is new, and then before it retrieves.
func TestLongListing(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	for i := range fetch.LongList {
		g.Drop.Add(fmt.Sprintf("old%d", i), []byte("Subject: old\r\n\r\n"))
	}
	if _, _, err := g.Fetcher.MarkSeen(context.Background(), g.Account, fetch.MarkRule{All: true}); err != nil {
		t.Fatal(err)
	}
	poll := func() (s fetch.Summary, commands string) {
		before := len(g.Server.Commands())
		s = g.Run()
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		return s, strings.Join(g.Server.Commands()[before:], " ")
	}
	const login = "CAPA USER alice PASS secret CAPA STAT UIDL "
	if _, got := poll(); got != login+"LIST QUIT" { // the first poll knows no listing
		t.Errorf("the first poll: %s", got)
	}
	if _, got := poll(); got != login+"QUIT" {
		t.Errorf("nothing new: %s", got)
	}
	g.Account.Policy.MaxSize = 50
	g.Drop.Add("small", []byte("Subject: new\r\n\r\n"))
	g.Drop.Add("large", []byte("Subject: new\r\n\r\n"+strings.Repeat("x", 60)+"\r\n"))
	s, got := poll()
	if want := fmt.Sprintf("%sLIST RETR %d STAT QUIT", login, fetch.LongList+1); got != want || s.Fetched != 1 ||
		s.Skips[plan.TooBig] != 1 {
		t.Errorf("two new ones, one too big: %s, %+v", got, s)
	}
}

// TestNamelessInALongListing: what only LIST names is reported at each poll.
func TestNamelessInALongListing(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{UIDLLine: func(num int, uid string) string {
		if uid == "nameless" {
			return ""
		}
		return fmt.Sprintf("%d %s", num, uid)
	}})
	fetch.SetLongList(g.Fetcher, 1)
	g.Add(2)
	g.Run()
	g.Drop.Add("nameless", []byte("Subject: x\r\n\r\n"))
	for range 2 {
		if s := g.Run(); s.Err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "without a unique-id") {
			t.Errorf("%v, notes %q", s.Err, s.Notes)
		}
	}
}

// TestEmptiedLongListing: there are servers that refuse to list nothing.
func TestEmptiedLongListing(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{
		{On: "UIDL", Nth: 3, Always: true, Do: pop3test.Err("no messages")},
		{On: "LIST", Nth: 2, Always: true, Do: pop3test.Err("no messages")},
	}})
	fetch.SetLongList(g.Fetcher, 1)
	g.Add(2)
	for range 2 { // the second one asks for no sizes
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	g.Drop.Remove(1)
	g.Drop.Remove(0)
	for range 2 {
		if s := g.Run(); s.Err != nil {
			t.Error(s.Err)
		}
	}
}

// TestPollIsOneTransaction: without news, nothing but the record is written.
func TestPollIsOneTransaction(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(10)
	transactions := func() (id int) {
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		db, err := bbolt.Open(state.Path(g.Fetcher.StateDir, g.Account.ID), 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.View(func(tx *bbolt.Tx) error {
			id = tx.ID()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := transactions()
	for n := 1; n <= 3; n++ {
		if got := transactions(); got != before+n {
			t.Errorf("%d transactions in %d polls", got-before, n)
		}
	}
}

// TestListingIsRemembered: without the digest each poll would read the whole
// state.
func TestListingIsRemembered(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	for _, n := range []int{10, 10, 12} {
		g.Add(n - g.Drop.Len())
		if s := g.Run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		g.View(func(v *state.View) {
			if got := v.Facts().List.Count; got != n {
				t.Errorf("%d of %d messages in the digest", got, n)
			}
		})
	}
}
