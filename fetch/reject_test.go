package fetch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// clock is a time that a test turns.
type clock struct{ now time.Time }

func setClock(g *fetchtest.Rig) *clock {
	c := &clock{time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}
	g.Fetcher.Now = func() time.Time { return c.now }
	return c
}

func (c *clock) wait(d time.Duration) { c.now = c.now.Add(d) }

// TestRefusedIsQuarantined: once, and the target that took it does not get it
// again; it is never deleted and does not hold up the rest.
func TestRefusedIsQuarantined(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "spam"), "2"))
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{g.MaildirTarget("Mail"), g.MboxTarget("box"), fetchtest.TargetAt(r, "a@b")}
	})
	s := g.Run()
	if s.Fetched != 2 || s.Quarantined != 1 || s.Failed != 0 || s.Deleted != 2 {
		t.Errorf("%+v", s)
	}
	g.WantExit(s, fetch.ExitData, "1 message is refused for good")
	check := func() {
		t.Helper()
		g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", "1", "2", "3"))
		g.WantCopies("mbox", g.InMbox("box"), fetchtest.Each("", "1", "2", "3"))
		g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "1", "3"))
		g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "2"))
		if g.Drop.Len() != 1 {
			t.Errorf("%d on the server", g.Drop.Len())
		}
	}
	check()
	if e, fails := g.Entry("uid2"); !e.Done || fetchtest.Outcomes(e) != "maildir delivered, mbox delivered, smtp set-aside" ||
		len(fails) != 0 {
		t.Errorf("done %v: %s; %v", e.Done, fetchtest.Outcomes(e), fails)
	}
	r.Answer(nil, nil)
	asked := g.Server.Count("RETR")
	if s := g.Run(); s.Err != nil || s.Fetched != 0 || s.Deleted != 0 || g.Server.Count("RETR") != asked {
		t.Errorf("second run: %+v", s)
	}
	check()
}

// TestRefusedByTwo: one copy in the quarantine counts for both.
func TestRefusedByTwo(t *testing.T) {
	t.Parallel()
	one, two := smtptest.StartRelay(t, false), smtptest.StartRelay(t, true)
	one.Answer(nil, func(string, string) error { return smtptest.Reply(554, "spam") })
	two.Answer(nil, smtptest.OnSubject(smtptest.Reply(552, "too big for me"), "1"))
	g := fetchtest.NewWithTargets(t, 2, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.TargetAt(one, "a@b"), g.MaildirTarget("Mail"), fetchtest.TargetAt(two, "c@d")}
	})
	s := g.Run()
	if s.Quarantined != 2 || s.Failed != 0 || s.Deleted != 0 {
		t.Errorf("%+v", s)
	}
	g.WantExit(s, fetch.ExitData, "2 messages are refused for good")
	g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "1", "2"))
	g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", "1", "2"))
	g.WantCopies("lmtp", two.Copies(), fetchtest.Each("c@d ", "2"))
	for _, uid := range []string{"uid1", "uid2"} {
		if e, _ := g.Entry(uid); !e.Done {
			t.Errorf("%s is not done: %s", uid, fetchtest.Outcomes(e))
		}
	}
	if s := g.Run(); s.Err != nil || s.Quarantined != 0 || g.Drop.Len() != 2 {
		t.Errorf("second run: %+v", s)
	}
}

// TestRefusedByOneAndPutOffByAnother: to quarantine a message it is retrieved a
// second time in the same run; who has it by then does not get it again.
func TestRefusedByOneAndPutOffByAnother(t *testing.T) {
	t.Parallel()
	r, partly := smtptest.StartRelay(t, false), smtptest.StartRelay(t, true)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "spam"), "1"))
	partly.Answer(nil, func(to, _ string) error {
		if to == "bob@b" {
			return smtptest.Reply(452, "mailbox full")
		}
		return nil
	})
	g := fetchtest.NewWithTargets(t, 1, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.TargetAt(r, "a@b"), fetchtest.TargetAt(partly, "alice@b", "bob@b")}
	})
	s := g.Run()
	g.WantExit(s, fetch.ExitData, "mailbox full (1 of 2 recipients)")
	if s.Quarantined != 1 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
	g.WantCopies("lmtp", partly.Copies(), map[string]int{"alice@b 1": 1})
	partly.Answer(nil, nil)
	g.WantExit(g.Run(), fetch.ExitOK, "")
	g.WantCopies("lmtp", partly.Copies(), map[string]int{"alice@b 1": 1, "bob@b 1": 1})
	g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "1"))
	if g.Drop.Len() != 1 {
		t.Errorf("%d on the server", g.Drop.Len())
	}
}

// TestRefusedByOneAndMissingInAnother: the last target gets it in a later run;
// nor may that run delete what the first refused.
func TestRefusedByOneAndMissingInAnother(t *testing.T) {
	t.Parallel()
	r, late := smtptest.StartRelay(t, false), smtptest.StartRelay(t, true)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "spam"), "1"))
	addr := fetchtest.ClosedPort(t)
	g := fetchtest.NewWithTargets(t, 1, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		last := fetchtest.RelayTarget(addr, true, "c@d")
		last.ID = "lmtp:late"
		return []commit.Target{fetchtest.TargetAt(r, "a@b"), last}
	})
	s := g.Run()
	g.WantExit(s, fetch.ExitData, "lmtp "+addr)
	if s.Quarantined != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	addr = late.Addr
	if s := g.Run(); s.Err != nil || s.Deleted != 0 || g.Drop.Len() != 1 {
		t.Errorf("second run: %+v, %d on the server", s, g.Drop.Len())
	}
	g.WantCopies("lmtp", late.Copies(), fetchtest.Each("c@d ", "1"))
	g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "1"))
	if s := g.Run(); s.Err != nil || s.Deleted != 0 || g.Drop.Len() != 1 {
		t.Errorf("third run: %+v, %d on the server", s, g.Drop.Len())
	}
}

// TestKeepRejected: the pauses grow, the rest goes on, and another target that
// was down does not wait for the pause.
func TestKeepRejected(t *testing.T) {
	t.Parallel()
	r, late := smtptest.StartRelay(t, false), smtptest.StartRelay(t, true)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "spam"), "1"))
	addr := fetchtest.ClosedPort(t)
	g := fetchtest.NewWithTargets(t, 2, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
		last := fetchtest.RelayTarget(addr, true, "c@d")
		last.ID = "lmtp:late"
		return []commit.Target{fetchtest.TargetAt(r, "a@b"), last}
	})
	g.Account.Policy.OnReject = plan.KeepOnServer
	c := setClock(g)
	g.WantExit(g.Run(), fetch.ExitData, "")
	addr = late.Addr
	c.wait(time.Minute)
	g.WantExit(g.Run(), fetch.ExitOK, "")
	g.WantCopies("lmtp", late.Copies(), fetchtest.Each("c@d ", "1", "2"))
	g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "2"))
	asked := g.Server.Count("RETR")
	for _, pause := range []time.Duration{1, 4, 16, 64, 168, 168} {
		c.wait(pause*time.Hour - 2*time.Minute)
		if s := g.Run(); s.Err != nil || s.Skips[plan.Pausing] != 1 || g.Server.Count("RETR") != asked {
			t.Errorf("%d h: too early: %+v", pause, s)
		}
		c.wait(2 * time.Minute)
		g.WantExit(g.Run(), fetch.ExitData, "554 spam")
		if asked++; g.Server.Count("RETR") != asked {
			t.Errorf("%d h: not tried again", pause)
		}
	}
	c.wait(168 * time.Hour)
	r.Answer(nil, nil)
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
	g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "1", "2"))
	if _, err := os.Stat(g.Path("quarantine")); err == nil {
		t.Error("there is a quarantine")
	}
}

// TestPoison: a command fails three times in a row on one message; then that
// is quarantined. Nothing else waits for it.
func TestPoison(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		script := `m=$(cat); case $m in *"Subject: 2"*) echo cannot >&2; exit 70;; esac; echo "$m" >>` + g.Path("out")
		return []commit.Target{{ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{Command: []string{"/bin/sh", "-c", script}})}}
	})
	for n := 1; n <= 3; n++ {
		s := g.Run()
		if n < 3 {
			g.WantExit(s, fetch.ExitData, "exit status 70 (EX_SOFTWARE): cannot")
		} else if fetch.ExitOf(s.Err) != fetch.ExitData || s.Quarantined != 1 || s.Failed != 0 {
			t.Errorf("third run: %+v", s)
		}
		if g.Drop.Len() != 1 {
			t.Errorf("run %d: %d on the server", n, g.Drop.Len())
		}
	}
	g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "2"))
	if s := g.Run(); s.Err != nil || s.Skipped != 0 {
		t.Errorf("fourth run: %+v", s)
	}
	if got := strings.Count(g.Read(g.Path("out")), "Subject:"); got != 2 || g.Drop.Len() != 1 {
		t.Errorf("%d delivered, %d on the server", got, g.Drop.Len())
	}
}

// TestRetrieveRefused: the server refuses one message for ever. There is
// nothing to quarantine, so it waits longer and longer; the rest is fetched.
func TestRetrieveRefused(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 1", Always: true,
		Do: pop3test.Err("[SYS/PERM] broken")}}},
		func(g *fetchtest.Rig) []commit.Target { return []commit.Target{g.MaildirTarget("Mail")} })
	c := setClock(g)
	for range 3 {
		g.WantExit(g.Run(), fetch.ExitData, "[SYS/PERM] broken")
	}
	if s := g.Run(); s.Err != nil || s.Skips[plan.Pausing] != 1 {
		t.Errorf("fourth run: %+v", s)
	}
	c.wait(time.Hour)
	g.WantExit(g.Run(), fetch.ExitData, "[SYS/PERM] broken")
	g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", "2", "3"))
	if g.Drop.Len() != 1 {
		t.Errorf("%d on the server", g.Drop.Len())
	}
}

// TestQuarantineFails: nothing is lost, the rest goes on, and once it works the
// message goes there without being offered to the target again.
func TestQuarantineFails(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(554, "spam"), "1", "2"))
	g := fetchtest.NewWithTargets(t, 4, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{fetchtest.TargetAt(r, "a@b"), g.MaildirTarget("Mail")}
	})
	in := g.Path("file")
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Account.Quarantine.Deliverer = maildir.New(maildir.Options{Path: filepath.Join(in, "quarantine")})
	for range 2 {
		s := g.Run()
		g.WantExit(s, fetch.ExitCannotWrite, "file")
		if s.Quarantined != 0 || g.Drop.Len() != 2 {
			t.Errorf("%+v, %d on the server", s, g.Drop.Len())
		}
	}
	asked := 0
	r.Answer(nil, func(string, string) error { asked++; return nil })
	g.Account.Quarantine.Deliverer = maildir.New(maildir.Options{Path: g.Path("quarantine")})
	if s := g.Run(); fetch.ExitOf(s.Err) != fetch.ExitData || s.Quarantined != 2 || g.Drop.Len() != 2 || asked != 0 {
		t.Errorf("%+v, %d on the server, relay asked %d times", s, g.Drop.Len(), asked)
	}
	g.WantCopies("quarantine", g.InMaildir("quarantine"), fetchtest.Each("", "1", "2"))
	g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", "1", "2", "3", "4"))
	g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "3", "4"))
}
