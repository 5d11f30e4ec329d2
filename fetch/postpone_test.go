package fetch

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestLaterStaysLater: whatever a target puts off, however often, arrives once
// it is taken; nothing is refused by count, and a run does not try them all.
func TestLaterStaysLater(t *testing.T) {
	t.Parallel()
	full := func(string) error { return reply(452, "mailbox full") }
	tests := []struct {
		name  string
		rcpt  func(string) error
		final func(to, subject string) error
		exit  Exit
		most  int // tries a run
	}{
		{"the message", nil, func(string, string) error { return reply(451, "not now") }, ExitTemp, patience},
		{"the recipient", func(string) error { return reply(450, "greylisted") }, nil, ExitTemp, patience},
		{"over quota", full, nil, ExitTemp, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, true)
			tries := 0
			count := func(err error) error {
				if err != nil {
					tries++
				}
				return err
			}
			r.says(func(to string) error {
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
			g := newFan(t, 40, pop3test.Options{}, func(*fan) []Target { return []Target{r.target("a@b")} })
			c := g.setClock()
			for run := range 6 {
				tries = 0
				s := g.fetch()
				g.wantExit(s, tc.exit, "")
				if s.SetAside != 0 || s.Failed != 0 || tries != tc.most {
					t.Errorf("run %d: %d tries, want %d: %+v", run, tries, tc.most, s)
				}
				c.wait(24 * time.Hour)
			}
			r.says(nil, nil)
			if s := g.fetch(); s.Err != nil || s.Fetched != 40 || g.drop.Len() != 0 {
				t.Errorf("once it takes mail: %+v", s)
			}
			if n := len(r.got()); n != 40 {
				t.Errorf("%d arrived", n)
			}
		})
	}
}

// TestOneIsPutOff: it holds nothing up, not even when it is the oldest, waits
// longer and longer, and is never refused for that.
func TestOneIsPutOff(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	ill := []string{"1", "2", "3", "4"}
	r.says(nil, onSubject(reply(451, "not this one"), ill...))
	g := newFan(t, 8, pop3test.Options{}, func(*fan) []Target { return []Target{r.target("a@b")} })
	c := g.setClock()
	g.wantExit(g.fetch(), ExitTemp, "3 messages in a row not taken")
	g.drop.Add("next", numbered(100))
	g.wantExit(g.fetch(), ExitData, "4 messages failed")
	g.wantCopies("relay", r.got(), each("a@b ", "5", "6", "7", "8", "100"))
	c.wait(30 * time.Hour)
	g.drop.Add("new", numbered(200))
	s := g.fetch()
	if s.Fetched != 1 || s.SetAside != 0 {
		t.Errorf("after 30 hours: %+v", s)
	}
	asked := g.server.Count("RETR")
	c.wait(time.Hour)
	// The fourth was not tried any more, and the new one is compared before it is deleted.
	if s := g.fetch(); s.Skips[plan.Pausing] != 3 || g.server.Count("RETR") > asked+2 {
		t.Errorf("an hour later they are tried again: %+v", s)
	}
	c.wait(48 * time.Hour)
	r.says(nil, nil)
	if s := g.fetch(); s.Err != nil || g.drop.Len() != 0 {
		t.Errorf("%d left; %+v", g.drop.Len(), s)
	}
}

// TestFailure: what goes on record for a target's answer.
func TestFailure(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	said := func(c deliver.Class) error { return &deliver.Error{Class: c, Err: errors.New("no")} }
	hours := func(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }
	tests := []struct {
		name   string
		known  state.Failure
		err    error
		target string
		count  int
		later  bool
		never  bool // refused, of three tries
		pause  time.Duration
	}{
		{"later, first", state.Failure{}, said(deliver.Later), "t", 1, true, false, 0},
		{"later, for ever", state.Failure{Target: "t", Count: 500, Later: true, First: hours(4000)}, said(deliver.Later), "t", 501, true, false, 24 * time.Hour},
		{"later, for eight hours", state.Failure{Target: "t", Count: 9, Later: true, First: hours(8)}, said(deliver.Later), "t", 10, true, false, 2 * time.Hour},
		{"later, after failures", state.Failure{Target: "t", Count: 2, First: hours(9)}, said(deliver.Later), "t", 1, true, false, 0},
		{"failed, after later", state.Failure{Target: "t", Count: 90, Later: true, First: hours(9)}, said(deliver.Failed), "t", 1, false, false, 0},
		{"failed thrice", state.Failure{Target: "t", Count: 2, First: hours(9)}, said(deliver.Failed), "t", 3, false, true, time.Hour},
		{"refused", state.Failure{}, said(deliver.Never), "t", 1, false, true, time.Hour},
		{"the server's refusal", state.Failure{Count: 2, First: hours(9)}, said(deliver.Later), "", 3, false, true, time.Hour},
		{"another target's", state.Failure{Target: "u", Count: 2}, said(deliver.Failed), "t", 1, false, false, 0},
	}
	for _, tc := range tests {
		f := nextFailure([]state.Failure{tc.known}, tc.target, tc.err, now)
		wait := pause(f, plan.DefaultPoison, true)
		if f.Count != tc.count || f.Later != tc.later || (&plan.Policy{}).Refused(f) != tc.never || wait != tc.pause && !f.Permanent {
			t.Errorf("%s: %+v, refused %v, pause %v", tc.name, f, (&plan.Policy{}).Refused(f), wait)
		}
	}
	if f := nextFailure([]state.Failure{{Target: "t", Count: 9, Later: true, First: hours(99)}}, "t", said(deliver.Later), now); pause(f, 3, false) != 0 {
		t.Error("a message waits for a target that takes nothing")
	}
}

// TestSettledAtOnce: what the relay has taken is on record while the message
// behind it is still on its way: after a crash it is not sent again.
func TestSettledAtOnce(t *testing.T) {
	t.Parallel()
	r := startRelay(t, false)
	g := newFan(t, 1, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 2", After: 1 << 16, Do: pop3test.Stall()}}},
		func(*fan) []Target { return []Target{r.target("a@b")} })
	g.drop.Add("large", append(numbered(2), bytes.Repeat([]byte("0123456789\r\n"), 1<<15)...))
	g.account.Targets = g.targets()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.fetcher.Run(ctx, []*Account{g.account})
	}()
	defer func() { cancel(); <-ended }()
	crashed := filepath.Join(t.TempDir(), "crashed.db")
	for end := time.Now().Add(4 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now, err := os.ReadFile(state.Path(g.fetcher.StateDir, g.account.ID))
		if err == nil && os.WriteFile(crashed, now, 0o600) == nil && settledIn(crashed, "uid1") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("taken %d times and not on record", len(r.got()))
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
	}{{"smtp", false, ""}, {"lmtp", true, ""}, {"command", false, "cat >DIR/now; if grep -qx 'Subject: 1' DIR/now; then exit 73; fi; cat DIR/now >>DIR/got"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, tc.lmtp)
			r.says(nil, onSubject(reply(421, "out of memory"), "1"))
			g := newFan(t, 3, pop3test.Options{}, func(g *fan) []Target {
				if tc.script != "" {
					return []Target{pipeTarget(strings.ReplaceAll(tc.script, "DIR", g.dir), 0)}
				}
				return []Target{r.target("a@b")}
			})
			g.account.Policy.Poison = 1
			for run := range 4 {
				s := g.fetch()
				if left := g.drop.Len(); s.Err == nil || s.SetAside != 0 || run > 0 && left != 1 {
					t.Fatalf("run %d: %d on the server, %+v", run, left, s)
				}
			}
			if tc.script == "" {
				g.wantCopies("relay", r.got(), each("a@b ", "2", "3"))
			}
		})
	}
}
