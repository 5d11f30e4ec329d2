package fetch

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// rig is a maildrop on a server and an account that fetches it.
type rig struct {
	t       *testing.T
	dir     string
	drop    *pop3test.Maildrop
	server  *pop3test.Server
	account *Account
	fetcher *Fetcher
}

func newRig(t *testing.T, drop *pop3test.Maildrop, o pop3test.Options) *rig {
	t.Helper()
	o.Security = pop3test.Plain
	g := &rig{t: t, dir: t.TempDir(), drop: drop, server: pop3test.NewServer(drop, o)}
	t.Cleanup(g.server.Close)
	g.account = &Account{
		Name: "test", ID: "test",
		Server: &pop3.Server{Host: g.server.Host, Port: g.server.Port, Security: pop3.Plain, Insecure: true, LF: true,
			Idle: 5 * time.Second,
			Logins: []pop3.Login{{Name: "USER", User: "alice", Clear: true,
				Password: func(context.Context) (string, error) { return "secret", nil }}}},
		Targets: []Target{{ID: "maildir", Deliverer: maildir.New(maildir.Options{Path: filepath.Join(g.dir, "Maildir")})}},
	}
	g.fetcher = &Fetcher{
		StateDir: filepath.Join(g.dir, "state"),
		Recover:  map[string]deliver.RecoverFunc{maildir.Kind: maildir.Recover},
	}
	return g
}

// add puts n more messages, all different, on the server.
func (g *rig) add(n int) {
	for range n {
		i := g.drop.Len()
		g.drop.Add("", fmt.Appendf(nil, "Message-ID: <%d.%d@test>\r\nSubject: %d\r\n\r\nbody\r\n", i, time.Now().UnixNano(), i))
	}
}

func (g *rig) run() Summary {
	g.t.Helper()
	return g.fetcher.Run(context.Background(), []*Account{g.account})[0]
}

// view reads the state between two runs.
func (g *rig) view(fn func(*state.View)) {
	g.t.Helper()
	db, err := state.Open(state.Path(g.fetcher.StateDir, g.account.ID), state.Options{ReadOnly: true})
	if err != nil {
		g.t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(v *state.View) error { fn(v); return nil }); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) delivered() int {
	names, _ := filepath.Glob(filepath.Join(g.dir, "Maildir", "new", "*"))
	return len(names)
}

func TestGmailWindowIsFetchedToItsEnd(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Oldest: 30, Gmail: true},
		pop3test.Options{Capa: []string{"USER", "TOP", "UIDL", "RESP-CODES", "X-GOOGLE-RICO", "EXPIRE 0"}})
	g.add(100)
	s := g.run()
	if s.Err != nil || s.Fetched != 100 || g.delivered() != 100 {
		t.Fatalf("fetched %d, %d delivered, err %v", s.Fetched, g.delivered(), s.Err)
	}
	if s.Sessions != 5 { // four with messages, one that finds the list empty
		t.Errorf("%d sessions", s.Sessions)
	}
	if s := g.run(); s.Fetched != 0 || s.Err != nil {
		t.Errorf("second run: %d fetched, err %v", s.Fetched, s.Err)
	}
	if g.delivered() != 100 {
		t.Errorf("%d delivered after the second run", g.delivered())
	}
}

func TestWindowOfNewestIsEmptiedByDeleting(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.account.Policy.Keep.None = true
	g.add(300)
	s := g.run()
	if s.Err != nil || s.Fetched != 300 || s.Deleted != 300 || g.delivered() != 300 || g.drop.Len() != 0 {
		t.Fatalf("%+v, %d delivered, %d left", s, g.delivered(), g.drop.Len())
	}
	if s.Sessions != 3 {
		t.Errorf("%d sessions", s.Sessions)
	}
}

func TestWindowKeptIsListedOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.add(300)
	if s := g.run(); s.Err != nil || s.Fetched != 120 || s.Sessions != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestLimitHoldsOverSessions(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Newest: 120}, pop3test.Options{})
	g.account.Policy.Keep.None = true
	g.account.Limits.Messages = 150
	g.add(300)
	if s := g.run(); s.Err != nil || s.Fetched != 150 || g.drop.Len() != 150 {
		t.Fatalf("%+v, %d left", s, g.drop.Len())
	}
}

func TestNewUIDsAreRecognisedByHeaders(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(50)
	if s := g.run(); s.Fetched != 50 {
		t.Fatalf("%+v", s)
	}
	g.drop.Rename(func(uid string) string { return "moved-" + uid })
	g.add(3)
	todo, notes, err := g.fetcher.Plan(context.Background(), g.account)
	if err != nil || len(todo.Retrieve) != 3 || todo.Known != 50 || len(notes) != 1 {
		t.Errorf("plan: %d to fetch, %d known, notes %q, err %v", len(todo.Retrieve), todo.Known, notes, err)
	}
	s := g.run()
	if s.Err != nil || s.Fetched != 3 || g.delivered() != 53 {
		t.Fatalf("fetched %d, err %v", s.Fetched, s.Err)
	}
	if len(s.Notes) == 0 {
		t.Error("no note of the change")
	}
	if s := g.run(); s.Fetched != 0 || len(s.Notes) != 0 {
		t.Errorf("third run: %d fetched, notes %q", s.Fetched, s.Notes)
	}
}

func TestNewMailInPlaceOfOldIsFetched(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{Newest: 20}, pop3test.Options{})
	g.add(20)
	g.run()
	g.add(20)
	if s := g.run(); s.Err != nil || s.Fetched != 20 {
		t.Fatalf("%+v", s)
	}
}

func TestImportedUIDsGoneStopTheRun(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(20)
	if _, _, err := g.fetcher.MarkSeen(context.Background(), g.account, MarkRule{All: true}); err != nil {
		t.Fatal(err)
	}
	g.drop.Rename(func(uid string) string { return "moved-" + uid })
	s := g.run()
	if ExitOf(s.Err) != ExitTemp || s.Fetched != 0 || g.delivered() != 0 || HintOf(s.Err) == "" {
		t.Fatalf("%+v", s)
	}
}

func TestLoginDelayIsHonoured(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{LoginDelay: 300 * time.Second})
	g.add(1)
	if s := g.run(); s.Err != nil {
		t.Fatal(s.Err)
	}
	before := g.server.Connections()
	s := g.run()
	if ExitOf(s.Err) != ExitTemp || g.server.Connections() != before {
		t.Fatalf("err %v, %d connections", s.Err, g.server.Connections()-before)
	}
	later := time.Now().Add(301 * time.Second)
	g.fetcher.Now = func() time.Time { return later }
	if s := g.run(); ExitOf(s.Err) != ExitTemp { // the server's clock is the real one
		t.Fatalf("err %v", s.Err)
	}
	if g.server.Connections() != before+1 {
		t.Fatal("no connection when the delay was over")
	}
}

func TestShortLoginDelayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&Fetcher{}).newRun(&Account{Name: "a"})
		r.facts.LoginDelay, r.facts.LastLogin = 20*time.Second, time.Now()
		start := time.Now()
		if err := r.awaitLogin(context.Background(), false); err != nil || time.Since(start) != 20*time.Second {
			t.Fatalf("waited %v, err %v", time.Since(start), err)
		}
	})
}

func TestDailyBudget(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(10)
	size := int64(len(g.drop.Messages()[0].Body))
	g.account.Limits.BytesPerDay = 4*size + size/2
	now := time.Now()
	g.fetcher.Now = func() time.Time { return now }
	var got []int
	for range 3 {
		got = append(got, g.run().Fetched)
	}
	now = now.Add(24 * time.Hour)
	got = append(got, g.run().Fetched)
	if fmt.Sprint(got) != "[4 0 0 4]" {
		t.Fatalf("fetched %v", got)
	}
}

type reporterFunc func(Event)

func (f reporterFunc) Report(e Event) { f(e) }

// TestSlotIsFreeOffline: the next account begins when the session of the one
// before is over, not only when all is recorded; but not beside its After.
func TestSlotIsFreeOffline(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
		g.add(1)
		second := *g.account
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
			g.account.After = func(context.Context, *Summary) error {
				if began(50 * time.Millisecond) {
					t.Error("the second account began beside the first one's After")
				}
				return nil
			}
		}
		g.fetcher.Parallel = 1
		g.fetcher.Reporter = reporterFunc(func(e Event) {
			switch {
			case e.Account == "second" && e.Stage == Connecting:
				close(connecting)
			case e.Account == "test" && e.Stage == Finished && !after && !began(10*time.Second):
				t.Error("the second account did not begin")
			}
		})
		for _, s := range g.fetcher.Run(t.Context(), []*Account{g.account, &second}) {
			if s.Err != nil {
				t.Error(s.Err)
			}
		}
	}
}

// TestLongListing: a poll of a large maildrop asks for the sizes only if
// something is new, and then before it retrieves.
func TestLongListing(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	for i := range longList {
		g.drop.Add(fmt.Sprintf("old%d", i), []byte("Subject: old\r\n\r\n"))
	}
	if _, _, err := g.fetcher.MarkSeen(context.Background(), g.account, MarkRule{All: true}); err != nil {
		t.Fatal(err)
	}
	poll := func() (s Summary, commands string) {
		before := len(g.server.Commands())
		s = g.run()
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		return s, strings.Join(g.server.Commands()[before:], " ")
	}
	const login = "CAPA USER alice PASS secret CAPA STAT UIDL "
	if _, got := poll(); got != login+"LIST QUIT" { // the first poll knows no listing
		t.Errorf("the first poll: %s", got)
	}
	if _, got := poll(); got != login+"QUIT" {
		t.Errorf("nothing new: %s", got)
	}
	g.account.Policy.MaxSize = 50
	g.drop.Add("small", []byte("Subject: new\r\n\r\n"))
	g.drop.Add("large", []byte("Subject: new\r\n\r\n"+strings.Repeat("x", 60)+"\r\n"))
	s, got := poll()
	if want := fmt.Sprintf("%sLIST RETR %d STAT QUIT", login, longList+1); got != want || s.Fetched != 1 || s.Skips[plan.TooBig] != 1 {
		t.Errorf("two new ones, one too big: %s, %+v", got, s)
	}
}

// TestNamelessInALongListing: what only LIST names is told at each poll.
func TestNamelessInALongListing(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{UIDLLine: func(num int, uid string) string {
		if uid == "nameless" {
			return ""
		}
		return fmt.Sprintf("%d %s", num, uid)
	}})
	g.fetcher.longList = 1
	g.add(2)
	g.run()
	g.drop.Add("nameless", []byte("Subject: x\r\n\r\n"))
	for range 2 {
		if s := g.run(); s.Err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "without a unique-id") {
			t.Errorf("%v, notes %q", s.Err, s.Notes)
		}
	}
}

// TestEmptiedLongListing: there are servers that refuse to list nothing.
func TestEmptiedLongListing(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{
		{On: "UIDL", Nth: 3, Always: true, Do: pop3test.Err("no messages")},
		{On: "LIST", Nth: 2, Always: true, Do: pop3test.Err("no messages")},
	}})
	g.fetcher.longList = 1
	g.add(2)
	for range 2 { // the second one asks for no sizes
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	g.drop.Remove(1)
	g.drop.Remove(0)
	for range 2 {
		if s := g.run(); s.Err != nil {
			t.Error(s.Err)
		}
	}
}

// TestPollIsOneTransaction: without news, nothing but the record is written.
func TestPollIsOneTransaction(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(10)
	transactions := func() (id int) {
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		db, err := bbolt.Open(g.fetcher.newRun(g.account).statePath(), 0o600, &bbolt.Options{ReadOnly: true})
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
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	for _, n := range []int{10, 10, 12} {
		g.add(n - g.drop.Len())
		if s := g.run(); s.Err != nil {
			t.Fatal(s.Err)
		}
		r := g.fetcher.newRun(g.account)
		if err := r.reading(context.Background(), r.load); err != nil {
			t.Fatal(err)
		}
		if got := r.facts.List.Count; got != n {
			t.Errorf("%d of %d messages in the digest", got, n)
		}
	}
}
