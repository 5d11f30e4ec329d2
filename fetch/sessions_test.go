package fetch_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/session"
)

func TestServerThatOnlySaysItDeletes(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{
		Faults: []pop3test.Fault{{On: "DELE", Always: true, Do: pop3test.Raw("+OK deleted\r\n")}}})
	g.Account.Policy.Keep.None = true
	fetch.SetPauses(g.Fetcher, []time.Duration{}) // see TestServerDeletesAfterQuit
	g.Add(session.WindowSuspect)
	s := g.RunFor(time.Minute)
	if s.Err != nil || s.Sessions != 2 || s.Fetched != session.WindowSuspect || s.Deleted != session.WindowSuspect || len(s.Notes) != 1 {
		t.Errorf("%d sessions, %d fetched, notes %q, err %v", s.Sessions, s.Fetched, s.Notes, s.Err)
	}
}

// recentRig is an account in Gmail's recent mode, where RETR takes nothing off
// the list.
func recentRig(t *testing.T) *fetchtest.Rig {
	t.Helper()
	g := fetchtest.New(t, &pop3test.Maildrop{Gmail: true},
		pop3test.Options{Capa: []string{"USER", "TOP", "UIDL", "RESP-CODES", "X-GOOGLE-RICO", "EXPIRE 0"}})
	g.Account.Server.Logins[0].User = "recent:alice"
	g.Account.Policy.Gmail = plan.GmailRecent
	g.Add(10)
	return g
}

func TestGmailRecentWithABrokenTarget(t *testing.T) {
	t.Parallel()
	g := recentRig(t)
	g.Account.Targets = append(g.Account.Targets, commit.Target{ID: "broken", Deliverer: maildir.New(maildir.Options{Path: "/dev/null/x"})})
	s := g.RunFor(time.Minute)
	if s.Sessions != 2 || g.Delivered() != 10 || fetch.ExitOf(s.Err) != fetch.ExitCannotWrite {
		t.Errorf("%d sessions, %d delivered, err %v", s.Sessions, g.Delivered(), s.Err)
	}
}

func TestAllTakesEachMessageOnce(t *testing.T) {
	t.Parallel()
	g := recentRig(t)
	g.Account.Policy.All = true
	s := g.RunFor(time.Minute)
	if s.Err != nil || s.Sessions != 2 || g.Delivered() != 10 {
		t.Errorf("%d sessions, %d delivered, err %v", s.Sessions, g.Delivered(), s.Err)
	}
}

// The numbers of a broken session are not used in the next one, where they may
// be those of other messages.
func TestNumbersEndWithTheirSession(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", Do: pop3test.Cut()}}})
	g.Account.Policy.Keep.None = true
	g.Add(4)
	s := g.Run()
	if s.Err != nil || s.Sessions != 2 || s.Fetched != 4 || g.Drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.Drop.Len())
	}
	if n := g.Server.Count("DELE 1"); n != 1 {
		t.Errorf("DELE 1 was sent %d times", n)
	}
}

// Of two messages with one UID neither goes before both are seen: the other one
// would then pass for the one that went.
func TestTwinsAreDeletedTogether(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Account.Policy.Keep.None = true
	g.Account.Limits.Messages = 1
	for i := range 2 {
		g.Drop.Add("twin", fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\n%d\r\n", i, i))
	}
	for run, left := range []int{2, 0} {
		if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Drop.Len() != left {
			t.Errorf("run %d: %+v, %d left", run, s, g.Drop.Len())
		}
	}
	if g.Delivered() != 2 {
		t.Errorf("%d delivered", g.Delivered())
	}
}

// What was skipped as a duplicate was not delivered: it stays on the server, in
// the run that skips it, too.
func TestSkippedIsNotDeleted(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	path := filepath.Join(g.Dir, "Maildir")
	g.Account.Targets[0].Deliverer = maildir.NewDedupe(maildir.New(maildir.Options{Path: path}),
		maildir.NewExisting(path, filepath.Join(g.Dir, "cache")), maildir.SameMessageID, false)
	g.Fetcher.Recover[maildir.SkipKind] = maildir.RecoverSkip
	g.Account.Policy.Keep.None = true
	for _, body := range []string{"one", "another"} {
		g.Drop.Add("", []byte("Message-ID: <1@test>\r\n\r\n"+body+"\r\n"))
	}
	for range 2 {
		if s := g.Run(); s.Err != nil || g.Drop.Len() != 1 || g.Delivered() != 1 {
			t.Errorf("%+v, %d left, %d delivered", s, g.Drop.Len(), g.Delivered())
		}
	}
}

// Messages of a device that writes neither Message-ID nor Date look alike: new
// ones are not taken for old ones with new UIDs.
func TestNewMessagesThatLookLikeGoneOnes(t *testing.T) {
	t.Parallel()
	drop := &pop3test.Maildrop{}
	g := fetchtest.New(t, drop, pop3test.Options{})
	alert := func(i int) []byte {
		return fmt.Appendf(nil, "Received: from printer; Mon, %d Jan 2024 00:00:00 +0000\r\nFrom: printer\r\nSubject: "+
			"alert\r\n\r\n%d\r\n", i, i)
	}
	for i := range fetch.MinBlind {
		drop.Add("", alert(1+i))
	}
	if s := g.Run(); s.Fetched != fetch.MinBlind {
		t.Fatalf("%+v", s)
	}
	later := &pop3test.Maildrop{} // the old ones were removed by hand
	for i := range fetch.MinBlind {
		later.Add(fmt.Sprintf("new%d", i), alert(10+i))
	}
	server := pop3test.NewServer(later, pop3test.Options{Security: pop3test.Plain})
	defer server.Close()
	g.Account.Server.Port = server.Port
	if s := g.Run(); s.Err != nil || s.Fetched != fetch.MinBlind || g.Delivered() != 2*fetch.MinBlind {
		t.Errorf("%+v, %d delivered", s, g.Delivered())
	}
}

// Messages that wait for one target do not use up the limit of a run: new ones
// reach the other target.
func TestWaitingMessagesLeaveRoom(t *testing.T) {
	t.Parallel()
	addr := fetchtest.ClosedPort(t)
	g := fetchtest.NewWithTargets(t, 6, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{g.MaildirTarget("good"), fetchtest.RelayTarget(addr, false, "a@b")}
	})
	g.Account.Limits.Messages = 2
	for _, want := range []int{2, 4, 6, 6} {
		g.Run()
		if n := len(g.InMaildir("good")); n != want {
			t.Errorf("%d in the good target, want %d", n, want)
		}
	}
}
