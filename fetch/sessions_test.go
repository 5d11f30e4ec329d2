package fetch

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// runFor is run with an end, for what might have none.
func (g *rig) runFor(d time.Duration) Summary {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return g.fetcher.Run(ctx, []*Account{g.account})[0]
}

func TestServerThatOnlySaysItDeletes(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{
		Faults: []pop3test.Fault{{On: "DELE", Always: true, Do: pop3test.Raw("+OK deleted\r\n")}}})
	g.account.Policy.Keep.None = true
	g.fetcher.pauses = []time.Duration{} // see TestServerDeletesAfterQuit
	g.add(windowSuspect)
	s := g.runFor(time.Minute)
	if s.Err != nil || s.Sessions != 2 || s.Fetched != windowSuspect || s.Deleted != windowSuspect || len(s.Notes) != 1 {
		t.Errorf("%d sessions, %d fetched, notes %q, err %v", s.Sessions, s.Fetched, s.Notes, s.Err)
	}
}

// recentRig is an account in Gmail's recent mode, where RETR takes nothing off
// the list.
func recentRig(t *testing.T) *rig {
	t.Helper()
	g := newRig(t, &pop3test.Maildrop{Gmail: true},
		pop3test.Options{Capa: []string{"USER", "TOP", "UIDL", "RESP-CODES", "X-GOOGLE-RICO", "EXPIRE 0"}})
	g.account.Server.Logins[0].User = "recent:alice"
	g.account.Policy.Gmail = plan.GmailRecent
	g.add(10)
	return g
}

func TestGmailRecentWithABrokenTarget(t *testing.T) {
	t.Parallel()
	g := recentRig(t)
	g.account.Targets = append(g.account.Targets, Target{ID: "broken", Deliverer: maildir.New(maildir.Options{Path: "/dev/null/x"})})
	s := g.runFor(time.Minute)
	if s.Sessions != 2 || g.delivered() != 10 || ExitOf(s.Err) != ExitCannotWrite {
		t.Errorf("%d sessions, %d delivered, err %v", s.Sessions, g.delivered(), s.Err)
	}
}

func TestAllTakesEachMessageOnce(t *testing.T) {
	t.Parallel()
	g := recentRig(t)
	g.account.Policy.All = true
	s := g.runFor(time.Minute)
	if s.Err != nil || s.Sessions != 2 || g.delivered() != 10 {
		t.Errorf("%d sessions, %d delivered, err %v", s.Sessions, g.delivered(), s.Err)
	}
}

// The numbers of a broken session are not used in the next one, where they may
// be those of other messages.
func TestNumbersEndWithTheirSession(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", Do: pop3test.Cut()}}})
	g.account.Policy.Keep.None = true
	g.add(4)
	s := g.run()
	if s.Err != nil || s.Sessions != 2 || s.Fetched != 4 || g.drop.Len() != 0 {
		t.Errorf("%+v, %d left", s, g.drop.Len())
	}
	if n := g.server.Count("DELE 1"); n != 1 {
		t.Errorf("DELE 1 was sent %d times", n)
	}
}

// Of two messages with one UID neither goes before both are seen: the other one
// would then pass for the one that went.
func TestTwinsAreDeletedTogether(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.account.Policy.Keep.None = true
	g.account.Limits.Messages = 1
	for i := range 2 {
		g.drop.Add("twin", fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\n%d\r\n", i, i))
	}
	for run, left := range []int{2, 0} {
		if s := g.run(); s.Err != nil || s.Fetched != 1 || g.drop.Len() != left {
			t.Errorf("run %d: %+v, %d left", run, s, g.drop.Len())
		}
	}
	if g.delivered() != 2 {
		t.Errorf("%d delivered", g.delivered())
	}
}

// What was skipped as a duplicate was not delivered: it stays on the server, in
// the run that skips it, too.
func TestSkippedIsNotDeleted(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	path := filepath.Join(g.dir, "Maildir")
	g.account.Targets[0].Deliverer = maildir.NewDedupe(maildir.New(maildir.Options{Path: path}),
		maildir.NewExisting(path, filepath.Join(g.dir, "cache")), maildir.SameMessageID, false)
	g.fetcher.Recover[maildir.SkipKind] = maildir.RecoverSkip
	g.account.Policy.Keep.None = true
	for _, body := range []string{"one", "another"} {
		g.drop.Add("", []byte("Message-ID: <1@test>\r\n\r\n"+body+"\r\n"))
	}
	for range 2 {
		if s := g.run(); s.Err != nil || g.drop.Len() != 1 || g.delivered() != 1 {
			t.Errorf("%+v, %d left, %d delivered", s, g.drop.Len(), g.delivered())
		}
	}
}

// Messages of a device that writes neither Message-ID nor Date look alike: new
// ones are not taken for old ones with new UIDs.
func TestNewMessagesThatLookLikeGoneOnes(t *testing.T) {
	t.Parallel()
	drop := &pop3test.Maildrop{}
	g := newRig(t, drop, pop3test.Options{})
	alert := func(i int) []byte {
		return fmt.Appendf(nil, "Received: from printer; Mon, %d Jan 2024 00:00:00 +0000\r\nFrom: printer\r\nSubject: alert\r\n\r\n%d\r\n", i, i)
	}
	for i := range minBlind {
		drop.Add("", alert(1+i))
	}
	if s := g.run(); s.Fetched != minBlind {
		t.Fatalf("%+v", s)
	}
	later := &pop3test.Maildrop{} // the old ones were removed by hand
	for i := range minBlind {
		later.Add(fmt.Sprintf("new%d", i), alert(10+i))
	}
	server := pop3test.NewServer(later, pop3test.Options{Security: pop3test.Plain})
	defer server.Close()
	g.account.Server.Port = server.Port
	if s := g.run(); s.Err != nil || s.Fetched != minBlind || g.delivered() != 2*minBlind {
		t.Errorf("%+v, %d delivered", s, g.delivered())
	}
}

// Messages that wait for one target do not use up the limit of a run: new ones
// reach the other target.
func TestWaitingMessagesLeaveRoom(t *testing.T) {
	t.Parallel()
	addr := closedPort(t)
	g := newFan(t, 6, pop3test.Options{}, func(g *fan) []Target {
		return []Target{g.maildirTarget("good"), relayTarget(addr, false, "a@b")}
	})
	g.account.Limits.Messages = 2
	for _, want := range []int{2, 4, 6, 6} {
		g.fetch()
		if n := len(g.inMaildir("good")); n != want {
			t.Errorf("%d in the good target, want %d", n, want)
		}
	}
}
