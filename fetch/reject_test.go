package fetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// clock is a time that a test turns.
type clock struct{ now time.Time }

func (g *fan) setClock() *clock {
	c := &clock{time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}
	g.fetcher.Now = func() time.Time { return c.now }
	return c
}

func (c *clock) wait(d time.Duration) { c.now = c.now.Add(d) }

// TestRefusedIsSetAside: once, and the target that took it does not get it
// again; it is never deleted and does not hold up the rest.
func TestRefusedIsSetAside(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	r.says(nil, onSubject(reply(554, "spam"), "2"))
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
		return []Target{g.maildirTarget("Mail"), g.mboxTarget("box"), r.target("a@b")}
	})
	s := g.fetch()
	if s.Fetched != 2 || s.SetAside != 1 || s.Failed != 0 || s.Deleted != 2 {
		t.Errorf("%+v", s)
	}
	g.wantExit(s, ExitData, "1 message is refused for good")
	check := func() {
		t.Helper()
		g.wantCopies("maildir", g.inMaildir("Mail"), each("", "1", "2", "3"))
		g.wantCopies("mbox", g.inMbox("box"), each("", "1", "2", "3"))
		g.wantCopies("relay", r.got(), each("a@b ", "1", "3"))
		g.wantCopies("quarantine", g.inMaildir("aside"), each("", "2"))
		if g.drop.Len() != 1 {
			t.Errorf("%d on the server", g.drop.Len())
		}
	}
	check()
	if e, fails := g.entry("uid2"); !e.Done || outcomes(e) != "maildir delivered, mbox delivered, smtp set-aside" || len(fails) != 0 {
		t.Errorf("done %v: %s; %v", e.Done, outcomes(e), fails)
	}
	r.says(nil, nil)
	asked := g.server.Count("RETR")
	if s := g.fetch(); s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || g.server.Count("RETR") != asked {
		t.Errorf("second run: %+v", s)
	}
	check()
}

// TestRefusedByTwo: one copy in the quarantine counts for both.
func TestRefusedByTwo(t *testing.T) {
	t.Parallel()
	one, two := startRelay(t, false), startRelay(t, true)
	one.says(nil, func(string, string) error { return reply(554, "spam") })
	two.says(nil, onSubject(reply(552, "too big for me"), "1"))
	g := newFan(t, 2, pop3test.Options{}, func(g *fan) []Target {
		return []Target{one.target("a@b"), g.maildirTarget("Mail"), two.target("c@d")}
	})
	s := g.fetch()
	if s.SetAside != 2 || s.Failed != 0 || s.Deleted != 0 {
		t.Errorf("%+v", s)
	}
	g.wantExit(s, ExitData, "2 messages are refused for good")
	g.wantCopies("quarantine", g.inMaildir("aside"), each("", "1", "2"))
	g.wantCopies("maildir", g.inMaildir("Mail"), each("", "1", "2"))
	g.wantCopies("lmtp", two.got(), each("c@d ", "2"))
	for _, uid := range []string{"uid1", "uid2"} {
		if e, _ := g.entry(uid); !e.Done {
			t.Errorf("%s is not done: %s", uid, outcomes(e))
		}
	}
	if s := g.fetch(); s.Err != nil || s.SetAside != 0 || g.drop.Len() != 2 {
		t.Errorf("second run: %+v", s)
	}
}

// TestRefusedByOneAndPutOffByAnother: to set a message aside it is retrieved a
// second time in the same run; who has it by then does not get it again.
func TestRefusedByOneAndPutOffByAnother(t *testing.T) {
	t.Parallel()
	r, partly := startRelay(t, false), startRelay(t, true)
	r.says(nil, onSubject(reply(554, "spam"), "1"))
	partly.says(nil, func(to, _ string) error {
		if to == "bob@b" {
			return reply(452, "mailbox full")
		}
		return nil
	})
	g := newFan(t, 1, pop3test.Options{}, func(*fan) []Target {
		return []Target{r.target("a@b"), partly.target("alice@b", "bob@b")}
	})
	s := g.fetch()
	g.wantExit(s, ExitData, "mailbox full (1 of 2 recipients)")
	if s.SetAside != 1 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
	g.wantCopies("lmtp", partly.got(), map[string]int{"alice@b 1": 1})
	partly.says(nil, nil)
	g.wantExit(g.fetch(), ExitOK, "")
	g.wantCopies("lmtp", partly.got(), map[string]int{"alice@b 1": 1, "bob@b 1": 1})
	g.wantCopies("quarantine", g.inMaildir("aside"), each("", "1"))
	if g.drop.Len() != 1 {
		t.Errorf("%d on the server", g.drop.Len())
	}
}

// TestRefusedByOneAndMissingInAnother: the last target gets it in a later run;
// nor may that run delete what the first refused.
func TestRefusedByOneAndMissingInAnother(t *testing.T) {
	t.Parallel()
	r, late := startRelay(t, false), startRelay(t, true)
	r.says(nil, onSubject(reply(554, "spam"), "1"))
	addr := closedPort(t)
	g := newFan(t, 1, pop3test.Options{}, func(*fan) []Target {
		last := relayTarget(addr, true, "c@d")
		last.ID = "lmtp:late"
		return []Target{r.target("a@b"), last}
	})
	s := g.fetch()
	g.wantExit(s, ExitData, "lmtp "+addr)
	if s.SetAside != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	addr = late.addr
	if s := g.fetch(); s.Err != nil || s.Deleted != 0 || g.drop.Len() != 1 {
		t.Errorf("second run: %+v, %d on the server", s, g.drop.Len())
	}
	g.wantCopies("lmtp", late.got(), each("c@d ", "1"))
	g.wantCopies("quarantine", g.inMaildir("aside"), each("", "1"))
	if s := g.fetch(); s.Err != nil || s.Deleted != 0 || g.drop.Len() != 1 {
		t.Errorf("third run: %+v, %d on the server", s, g.drop.Len())
	}
}

// TestKeepRejected: the pauses grow, the rest goes on, and another target that
// was down does not wait for the pause.
func TestKeepRejected(t *testing.T) {
	t.Parallel()
	r, late := startRelay(t, false), startRelay(t, true)
	r.says(nil, onSubject(reply(554, "spam"), "1"))
	addr := closedPort(t)
	g := newFan(t, 2, pop3test.Options{}, func(*fan) []Target {
		last := relayTarget(addr, true, "c@d")
		last.ID = "lmtp:late"
		return []Target{r.target("a@b"), last}
	})
	g.account.Policy.OnReject = plan.KeepOnServer
	c := g.setClock()
	g.wantExit(g.fetch(), ExitData, "")
	addr = late.addr
	c.wait(time.Minute)
	g.wantExit(g.fetch(), ExitOK, "")
	g.wantCopies("lmtp", late.got(), each("c@d ", "1", "2"))
	g.wantCopies("relay", r.got(), each("a@b ", "2"))
	asked := g.server.Count("RETR")
	for _, pause := range []time.Duration{1, 4, 16, 64, 168, 168} {
		c.wait(pause*time.Hour - 2*time.Minute)
		if s := g.fetch(); s.Err != nil || s.Skips[plan.Pausing] != 1 || g.server.Count("RETR") != asked {
			t.Errorf("%d h: too early: %+v", pause, s)
		}
		c.wait(2 * time.Minute)
		g.wantExit(g.fetch(), ExitData, "554 spam")
		if asked++; g.server.Count("RETR") != asked {
			t.Errorf("%d h: not tried again", pause)
		}
	}
	c.wait(168 * time.Hour)
	r.says(nil, nil)
	if s := g.fetch(); s.Err != nil || s.Fetched != 1 || g.drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
	g.wantCopies("relay", r.got(), each("a@b ", "1", "2"))
	if _, err := os.Stat(g.path("aside")); err == nil {
		t.Error("there is a quarantine")
	}
}

// TestPoison: a command fails three times in a row on one message; then that
// is set aside. Nothing else waits for it.
func TestPoison(t *testing.T) {
	t.Parallel()
	g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
		script := `m=$(cat); case $m in *"Subject: 2"*) echo cannot >&2; exit 70;; esac; echo "$m" >>` + g.path("out")
		return []Target{{ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{Command: []string{"/bin/sh", "-c", script}})}}
	})
	for n := 1; n <= 3; n++ {
		s := g.fetch()
		if n < 3 {
			g.wantExit(s, ExitData, "exit status 70 (EX_SOFTWARE): cannot")
		} else if ExitOf(s.Err) != ExitData || s.SetAside != 1 || s.Failed != 0 {
			t.Errorf("third run: %+v", s)
		}
		if g.drop.Len() != 1 {
			t.Errorf("run %d: %d on the server", n, g.drop.Len())
		}
	}
	g.wantCopies("quarantine", g.inMaildir("aside"), each("", "2"))
	if s := g.fetch(); s.Err != nil || s.Skipped != 0 {
		t.Errorf("fourth run: %+v", s)
	}
	if got := strings.Count(g.read(g.path("out")), "Subject:"); got != 2 || g.drop.Len() != 1 {
		t.Errorf("%d delivered, %d on the server", got, g.drop.Len())
	}
}

// TestRetrieveRefused: the server refuses one message for ever. There is
// nothing to set aside, so it waits longer and longer; the rest is fetched.
func TestRetrieveRefused(t *testing.T) {
	t.Parallel()
	g := newFan(t, 3, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 1", Always: true, Do: pop3test.Err("[SYS/PERM] broken")}}},
		func(g *fan) []Target { return []Target{g.maildirTarget("Mail")} })
	c := g.setClock()
	for range 3 {
		g.wantExit(g.fetch(), ExitData, "[SYS/PERM] broken")
	}
	if s := g.fetch(); s.Err != nil || s.Skips[plan.Pausing] != 1 {
		t.Errorf("fourth run: %+v", s)
	}
	c.wait(time.Hour)
	g.wantExit(g.fetch(), ExitData, "[SYS/PERM] broken")
	g.wantCopies("maildir", g.inMaildir("Mail"), each("", "2", "3"))
	if g.drop.Len() != 1 {
		t.Errorf("%d on the server", g.drop.Len())
	}
}

// TestQuarantineFails: nothing is lost, the rest goes on, and once it works the
// message goes there without being offered to the target again.
func TestQuarantineFails(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	r.says(nil, onSubject(reply(554, "spam"), "1", "2"))
	g := newFan(t, 4, pop3test.Options{}, func(g *fan) []Target { return []Target{r.target("a@b"), g.maildirTarget("Mail")} })
	in := g.path("file")
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g.account.SetAside.Deliverer = maildir.New(maildir.Options{Path: filepath.Join(in, "aside")})
	for range 2 {
		s := g.fetch()
		g.wantExit(s, ExitCannotWrite, "file")
		if s.SetAside != 0 || g.drop.Len() != 2 {
			t.Errorf("%+v, %d on the server", s, g.drop.Len())
		}
	}
	asked := 0
	r.says(nil, func(string, string) error { asked++; return nil })
	g.account.SetAside.Deliverer = maildir.New(maildir.Options{Path: g.path("aside")})
	if s := g.fetch(); ExitOf(s.Err) != ExitData || s.SetAside != 2 || g.drop.Len() != 2 || asked != 0 {
		t.Errorf("%+v, %d on the server, relay asked %d times", s, g.drop.Len(), asked)
	}
	g.wantCopies("quarantine", g.inMaildir("aside"), each("", "1", "2"))
	g.wantCopies("maildir", g.inMaildir("Mail"), each("", "1", "2", "3", "4"))
	g.wantCopies("relay", r.got(), each("a@b ", "3", "4"))
}
