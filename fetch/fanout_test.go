package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestRelayDown: two targets go on; what the third lacks is retrieved again for
// it alone, and only then deleted from the server.
func TestRelayDown(t *testing.T) {
	t.Parallel()
	up := smtptest.StartRelay(t, false)
	addr := fetchtest.ClosedPort(t)
	g := fetchtest.NewWithTargets(t, 4, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		third := fetchtest.RelayTarget(addr, false, "a@b")
		third.ID = "smtp:relay"
		return []commit.Target{g.MaildirTarget("Mail"), g.MboxTarget("box"), third}
	})
	all := []string{"1", "2", "3", "4"}
	s := g.Run()
	g.WantExit(s, fetch.ExitTemp, "smtp "+addr+": connect: connection refused")
	if s.Fetched != 0 || s.Deleted != 0 || g.Drop.Len() != 4 {
		t.Errorf("%+v, %d on the server", s, g.Drop.Len())
	}
	e, _ := g.Entry("uid3")
	if got := fetchtest.Outcomes(e); e.Done || got != "maildir delivered, mbox delivered" {
		t.Errorf("done %v: %s", e.Done, got)
	}
	asked := g.Server.Count("RETR")
	s = g.Run()
	g.WantExit(s, fetch.ExitTemp, "smtp "+addr)
	if n := g.Server.Count("RETR") - asked; n != 0 {
		t.Errorf("%d messages were retrieved although nothing wants them", n)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "4 messages are in some targets only") {
		t.Errorf("notes: %q", s.Notes)
	}
	addr = up.Addr
	g.WantExit(g.Run(), fetch.ExitOK, "")
	g.WantCopies("relay", up.Copies(), fetchtest.Each("a@b ", all...))
	g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", all...))
	g.WantCopies("mbox", g.InMbox("box"), fetchtest.Each("", all...))
	if e, _ := g.Entry("uid3"); !e.Done || g.Drop.Len() != 0 {
		t.Errorf("done %v: %s; %d on the server", e.Done, fetchtest.Outcomes(e), g.Drop.Len())
	}
}

// TestOneMessageDeferred: the rest is done and deleted.
func TestOneMessageDeferred(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(452, "disk full"), "2"))
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{g.MaildirTarget("Mail"), fetchtest.TargetAt(r, "a@b")}
	})
	s := g.Run()
	g.WantExit(s, fetch.ExitData, "1 message failed and stays on the server: smtp "+r.Addr+": reply to the message: 452 disk full")
	if s.Fetched != 2 || s.Failed != 1 || g.Drop.Len() != 1 {
		t.Errorf("%+v, %d on the server", s, g.Drop.Len())
	}
	e, fails := g.Entry("uid2")
	if e.Done || fetchtest.Outcomes(e) != "maildir delivered" || len(fails) != 1 || fails[0].Count != 1 {
		t.Errorf("done %v: %s; %v", e.Done, fetchtest.Outcomes(e), fails)
	}
	r.Answer(nil, nil)
	if s := g.Run(); s.Err != nil || s.Fetched != 1 || g.Drop.Len() != 0 {
		t.Errorf("%+v", s)
	}
	g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "1", "2", "3"))
	g.WantCopies("maildir", g.InMaildir("Mail"), fetchtest.Each("", "1", "2", "3"))
}

// TestMboxLocked: for longer than lock_timeout; the other targets go on.
func TestMboxLocked(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, true)
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{g.MboxTarget("box"), g.MaildirTarget("Mail"), fetchtest.TargetAt(r, "a@b")}
	})
	lock := g.Path("box.lock")
	if err := os.WriteFile(lock, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := g.Run()
	g.WantExit(s, fetch.ExitTemp, "locked by "+lock+" of process 1 for 50ms")
	if g.Drop.Len() != 3 {
		t.Errorf("%d on the server", g.Drop.Len())
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	g.WantExit(g.Run(), fetch.ExitOK, "")
	for what, got := range map[string]map[string]int{"mbox": g.InMbox("box"), "maildir": g.InMaildir("Mail")} {
		g.WantCopies(what, got, fetchtest.Each("", "1", "2", "3"))
	}
	g.WantCopies("lmtp", r.Copies(), fetchtest.Each("a@b ", "1", "2", "3"))
	if g.Drop.Len() != 0 {
		t.Errorf("%d on the server", g.Drop.Len())
	}
}

// TestAllTargetsBroken: each is named in the error; nothing is lost.
func TestAllTargetsBroken(t *testing.T) {
	t.Parallel()
	addr := fetchtest.ClosedPort(t)
	g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{
			fetchtest.RelayTarget(addr, false, "a@b"),
			{ID: "pipe:missing", Deliverer: pipe.New(pipe.Options{Command: []string{"/nonexistent/mda"}})},
		}
	})
	s := g.Run()
	g.WantExit(s, fetch.ExitCannotWrite, "/nonexistent/mda")
	g.WantExit(s, fetch.ExitCannotWrite, "smtp "+addr)
	if s.Fetched != 0 || g.Drop.Len() != 3 {
		t.Errorf("%+v", s)
	}
}

// TestPartialRecipients: a recipient who has a message does not get it again,
// whether the others were put off or the relay gave up on them.
func TestPartialRecipients(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{"452": smtptest.Reply(452, "mailbox full"), "421": smtptest.Reply(421, "going down")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := smtptest.StartRelay(t, true)
			r.Answer(nil, func(to, _ string) error {
				if to == "bob@b" {
					return answer
				}
				return nil
			})
			g := fetchtest.NewWithTargets(t, 1, pop3test.Options{}, func(*fetchtest.Rig) []commit.Target {
				return []commit.Target{fetchtest.TargetAt(r, "alice@b", "bob@b", "carol@b")}
			})
			if s := g.Run(); s.Err == nil || g.Drop.Len() != 1 {
				t.Errorf("%+v", s)
			}
			_, fails := g.Entry("uid1")
			if len(fails) != 1 || !slices.Contains(fails[0].Served, "alice@b") {
				t.Fatalf("failures on record: %+v", fails)
			}
			r.Answer(nil, nil)
			g.WantExit(g.Run(), fetch.ExitOK, "")
			g.WantCopies("lmtp", r.Copies(), map[string]int{"alice@b 1": 1, "bob@b 1": 1, "carol@b 1": 1})
			if g.Drop.Len() != 0 {
				t.Errorf("%d on the server", g.Drop.Len())
			}
		})
	}
}

// TestSameMboxesInOtherOrder: two accounts deliver to the same two files. The
// locks of a batch are held together, so their order must be one.
func TestSameMboxesInOtherOrder(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewWithTargets(t, 60, pop3test.Options{}, nil)
	for i := range 60 {
		g.Drop.Add(fmt.Sprint("second", i), fetchtest.Numbered(100+i))
	}
	first, second := *g.Account, *g.Account
	second.ID, second.Name = "second", "second"
	box := func(name string) commit.Target {
		return commit.Target{ID: "mbox:" + g.Path(name),
			Deliverer: mbox.New(mbox.Options{Path: g.Path(name), LockTimeout: 5 * time.Minute})}
	}
	first.Targets = []commit.Target{box("one"), box("two")}
	second.Targets = []commit.Target{box("two"), box("one")}
	first.Policy.Keep, second.Policy.Keep = plan.Keep{}, plan.Keep{}
	g.Fetcher.Batch = 3
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range g.Fetcher.Run(ctx, []*fetch.Account{&first, &second}) {
		if s.Err != nil || s.Fetched != 120 {
			t.Errorf("%s: %d fetched, %v", s.Account, s.Fetched, s.Err)
		}
	}
	if ctx.Err() != nil {
		t.Error("they waited for each other")
	}
	for _, name := range []string{"one", "two"} {
		for subject, n := range g.InMbox(name) {
			if n != 2 {
				t.Errorf("%s: message %s is there %d times, want 2", name, subject, n)
			}
		}
	}
}

// TestTraceField: exactly one, at the top, well-formed, and the recorded sum is
// of what was delivered.
func TestTraceField(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewWithTargets(t, 1, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
		return []commit.Target{g.MaildirTarget("Mail"), g.MboxTarget("box")}
	})
	g.Account.Policy.Received = true
	g.Fetcher.Now = func() time.Time { return time.Date(2020, 2, 29, 12, 0, 0, 0, time.FixedZone("", -3600)) }
	g.WantExit(g.Run(), fetch.ExitOK, "")
	files, _ := filepath.Glob(filepath.Join(g.Path("Mail"), "new", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	text := g.Read(files[0])
	field := regexp.MustCompile(`^Received: from \[127\.0\.0\.1\]\n\tby \S+ \(mailhaul\) with POP3;\n\tSat, 29 Feb 2020 12:00:00 -0100\n`)
	body := string(bytes.ReplaceAll(fetchtest.Numbered(1), []byte("\r\n"), []byte("\n")))
	if rest := field.ReplaceAllString(text, ""); rest == text || rest != body {
		t.Errorf("got %q, want the field and %q", text, body)
	}
	if e, _ := g.Entry("uid1"); e.SHA256 != sha256.Sum256([]byte(text)) || e.Size != int64(len(text)) {
		t.Errorf("the state has another sum or size: %d, want %d", e.Size, len(text))
	}
}
