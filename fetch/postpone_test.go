package fetch_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestLaterStaysLater: whatever a target puts off, however often, arrives once
// it is taken; nothing is refused by count, and a run does not try them all.
func TestLaterStaysLater(t *testing.T) {
	t.Parallel()
	full := func(string) error { return smtptest.Reply(452, "mailbox full") }
	tests := []struct {
		name  string
		rcpt  func(string) error
		final func(to, subject string) error
		exit  fetch.Exit
		most  int // tries a run
	}{
		{"the message", nil, func(string, string) error { return smtptest.Reply(451, "not now") }, fetch.ExitTemp, fetch.Patience},
		{"the recipient", func(string) error { return smtptest.Reply(450, "greylisted") }, nil, fetch.ExitTemp, fetch.Patience},
		{"over quota", full, nil, fetch.ExitTemp, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := smtptest.StartRelay(t, true)
			tries := 0
			count := func(err error) error {
				if err != nil {
					tries++
				}
				return err
			}
			r.Answer(func(to string) error {
				if tc.rcpt == nil {
					return nil
				}
				return count(tc.rcpt(to))
			}, func(to, subject string) error {
				if tc.final == nil {
					return nil
				}
				return count(tc.final(to, subject))
			})
			g := fetchtest.NewWithTargets(t, 40, pop3test.Options{},
				func(*fetchtest.Rig) []commit.Target { return []commit.Target{fetchtest.TargetAt(r, "a@b")} })
			c := setClock(g)
			for run := range 6 {
				tries = 0
				s := g.Run()
				g.WantExit(s, tc.exit, "")
				if s.Quarantined != 0 || s.Failed != 0 || tries != tc.most {
					t.Errorf("run %d: %d tries, want %d: %+v", run, tries, tc.most, s)
				}
				c.wait(24 * time.Hour)
			}
			r.Answer(nil, nil)
			if s := g.Run(); s.Err != nil || s.Fetched != 40 || g.Drop.Len() != 0 {
				t.Errorf("once it takes mail: %+v", s)
			}
			if n := len(r.Copies()); n != 40 {
				t.Errorf("%d arrived", n)
			}
		})
	}
}

// TestOneIsPutOff: it holds nothing up, not even when it is the oldest, waits
// longer and longer, and is never refused for that.
func TestOneIsPutOff(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	ill := []string{"1", "2", "3", "4"}
	r.Answer(nil, smtptest.OnSubject(smtptest.Reply(451, "not this one"), ill...))
	g := fetchtest.NewWithTargets(t, 8, pop3test.Options{},
		func(*fetchtest.Rig) []commit.Target { return []commit.Target{fetchtest.TargetAt(r, "a@b")} })
	c := setClock(g)
	g.WantExit(g.Run(), fetch.ExitTemp, "3 messages in a row not taken")
	g.Drop.Add("next", fetchtest.Numbered(100))
	g.WantExit(g.Run(), fetch.ExitData, "4 messages failed")
	g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "5", "6", "7", "8", "100"))
	c.wait(30 * time.Hour)
	g.Drop.Add("new", fetchtest.Numbered(200))
	s := g.Run()
	if s.Fetched != 1 || s.Quarantined != 0 {
		t.Errorf("after 30 hours: %+v", s)
	}
	asked := g.Server.Count("RETR")
	c.wait(time.Hour)
	// The fourth was not tried any more, and the new one is compared before it is deleted.
	if s := g.Run(); s.Skips[plan.Pausing] != 3 || g.Server.Count("RETR") > asked+2 {
		t.Errorf("an hour later they are tried again: %+v", s)
	}
	c.wait(48 * time.Hour)
	r.Answer(nil, nil)
	if s := g.Run(); s.Err != nil || g.Drop.Len() != 0 {
		t.Errorf("%d left; %+v", g.Drop.Len(), s)
	}
}

// TestSettledAtOnce: what the relay has taken is on record while the message
// behind it is still on its way: after a crash it is not sent again.
func TestSettledAtOnce(t *testing.T) {
	t.Parallel()
	r := smtptest.StartRelay(t, false)
	g := fetchtest.NewWithTargets(t, 1, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", After: 1 << 16, Do: pop3test.Stall()}}},
		func(*fetchtest.Rig) []commit.Target { return []commit.Target{fetchtest.TargetAt(r, "a@b")} })
	g.Drop.Add("large", append(fetchtest.Numbered(2), bytes.Repeat([]byte("0123456789\r\n"), 1<<15)...))
	g.Account.Targets = g.Targets()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Fetcher.Run(ctx, []*fetch.Account{g.Account})
	}()
	defer func() { cancel(); <-ended }()
	crashed := filepath.Join(t.TempDir(), "crashed.db")
	for end := time.Now().Add(4 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now, err := os.ReadFile(state.Path(g.Fetcher.StateDir, g.Account.ID))
		if err == nil && os.WriteFile(crashed, now, 0o600) == nil && settledIn(crashed, "uid1") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("taken %d times and not on record", len(r.Copies()))
		}
	}
}

// settledIn reads a copy of a state that may have been made in the middle of a
// transaction.
func settledIn(path, uid string) bool {
	db, err := state.Open(path, state.Options{ReadOnly: true})
	if err != nil {
		return false
	}
	defer db.Close()
	var e state.Entry
	_ = db.View(func(v *state.View) error {
		e, _ = v.Get(state.NewKey(uid, 0))
		return nil
	})
	return e.Done
}

// TestStopsAtOneMessage: a target that stops at one message, in each run, gets
// the others all the same; the one is not counted as refused.
func TestStopsAtOneMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		lmtp   bool
		script string // of a command; else it is a relay
	}{{"smtp", false, ""}, {"lmtp", true, ""},
		{"command", false, "cat >DIR/now; if grep -qx 'Subject: 1' DIR/now; then exit 73; fi; cat DIR/now >>DIR/got"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := smtptest.StartRelay(t, tc.lmtp)
			r.Answer(nil, smtptest.OnSubject(smtptest.Reply(421, "out of memory"), "1"))
			g := fetchtest.NewWithTargets(t, 3, pop3test.Options{}, func(g *fetchtest.Rig) []commit.Target {
				if tc.script != "" {
					return []commit.Target{fetchtest.PipeTarget(strings.ReplaceAll(tc.script, "DIR", g.Dir), 0)}
				}
				return []commit.Target{fetchtest.TargetAt(r, "a@b")}
			})
			g.Account.Policy.Poison = 1
			for run := range 4 {
				s := g.Run()
				if left := g.Drop.Len(); s.Err == nil || s.Quarantined != 0 || run > 0 && left != 1 {
					t.Fatalf("run %d: %d on the server, %+v", run, left, s)
				}
			}
			if tc.script == "" {
				g.WantCopies("relay", r.Copies(), fetchtest.Each("a@b ", "2", "3"))
			}
		})
	}
}
