package fetch_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// badMessage is a way in which one message breaks each session.
type badMessage struct {
	name  string
	fault pop3test.Fault
}

func badMessages() []badMessage {
	return []badMessage{
		{"hangs up", pop3test.Fault{Do: pop3test.Cut()}},
		{"hangs up in the middle", pop3test.Fault{After: 40, Do: pop3test.Cut()}},
		{"resets", pop3test.Fault{Do: pop3test.Reset()}},
		{"falls silent", pop3test.Fault{Do: pop3test.Stall()}},
		{"falls silent in the middle", pop3test.Fault{After: 40, Do: pop3test.Stall()}},
		{"garbles", pop3test.Fault{Do: pop3test.Raw("*** what?\r\n")}},
		{"never ends", pop3test.Fault{Do: pop3test.EndlessBody()}},
	}
}

// TestOneBadMessage: whatever one message does to the session, and wherever it
// is, the others arrive and are deleted in the first run, it is named, stays,
// and is paused only after it failed alone in three runs.
func TestOneBadMessage(t *testing.T) {
	t.Parallel()
	for _, bad := range badMessages() {
		for _, at := range []int{1, 4, 7} {
			for _, pipelined := range []bool{false, true} {
				if bad.name == "never ends" && at != 4 {
					continue // some 64 MiB each time
				}
				t.Run(fmt.Sprintf("%s/%d/pipelined=%t", bad.name, at, pipelined), func(t *testing.T) {
					t.Parallel()
					testBadMessage(t, bad.fault, at, pipelined)
				})
			}
		}
	}
}

func testBadMessage(t *testing.T, f pop3test.Fault, at int, pipelined bool) {
	const n = 7
	f.On, f.UID, f.Always = "RETR", fmt.Sprint("u", at), true
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoPipelining: !pipelined, Faults: []pop3test.Fault{f}})
	g.Account.Server.Idle = time.Second
	g.Account.Policy.Keep.None = true
	now := time.Now()
	g.Fetcher.Now = func() time.Time { return now }
	for i := range n {
		g.Drop.Add(fmt.Sprint("u", i+1),
			fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\nbody of some length, so that it has a middle\r\n", i+1))
	}
	for run := 1; run <= 3; run++ {
		s := g.Run()
		var named *ledger.MessageError
		if fetch.ExitOf(s.Err) != fetch.ExitData || s.Failed != 1 || !errors.As(s.Err, &named) || named.UID != f.UID || named.Size <= 0 {
			t.Fatalf("run %d: exit %d: %v", run, fetch.ExitOf(s.Err), s.Err)
		}
		if want := map[int]int{1: 5, 2: 1, 3: 1}[run]; s.Sessions > want {
			t.Errorf("run %d: %d sessions", run, s.Sessions)
		}
		if g.Delivered() != n-1 || g.Drop.Len() != 1 {
			t.Fatalf("run %d: %d delivered, %d left", run, g.Delivered(), g.Drop.Len())
		}
		if got := failureOf(g, f.UID); got.Count != run || !got.Suspect || got.Next.After(now) != (run == 3) {
			t.Fatalf("run %d: %+v", run, got)
		}
		g.View(func(v *state.View) {
			if v.Facts().NoPipelining {
				t.Errorf("run %d: pipelining is blamed", run)
			}
		})
	}
	if s := g.Run(); s.Err != nil || s.Skips[plan.Pausing] != 1 {
		t.Errorf("paused: %v, %v", s.Err, s.Skips)
	}
	good := pop3test.NewServer(g.Drop, pop3test.Options{Security: pop3test.Plain})
	defer good.Close()
	g.Account.Server.Port = good.Port
	now = now.Add(2 * time.Hour)
	if s := g.Run(); s.Err != nil || g.Delivered() != n || g.Drop.Len() != 0 || g.Failures() != 0 {
		t.Errorf("a well-behaved server: %v, %d delivered, %d left, %d failures on record", s.Err, g.Delivered(), g.Drop.Len(),
			g.Failures())
	}
}

// failure is what is on record for the retrieval of a message.
func failureOf(g *fetchtest.Rig, uid string) (f state.Failure) {
	g.T.Helper()
	g.View(func(v *state.View) {
		for _, x := range v.Failures()[state.Key(uid)] {
			f = x
		}
	})
	return f
}

// TestBadMessageComparedAgain: a message that breaks each session in which it is
// compared before its deletion is named, stays, and holds up no other deletion.
func TestBadMessageComparedAgain(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]pop3test.Action{"hangs up": pop3test.Cut(), "falls silent": pop3test.Stall(),
		"garbles": pop3test.Raw("what?\r\n")} {
		for _, pipelined := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pipelined=%t", name, pipelined), func(t *testing.T) {
				t.Parallel()
				const n, bad = 7, "x-3"
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
				for i := range n {
					g.Drop.Add(fmt.Sprint("x-", i), fmt.Appendf(nil, "Message-ID: <%d@test>\r\n\r\nbody\r\n", i))
				}
				if s := g.Run(); s.Err != nil {
					t.Fatal(s.Err)
				}
				broken := pop3test.NewServer(g.Drop, pop3test.Options{Security: pop3test.Plain, NoPipelining: !pipelined,
					Faults: []pop3test.Fault{{On: "RETR", UID: bad, Always: true, Do: do}}})
				defer broken.Close()
				g.Account.Server.Port, g.Account.Server.Idle = broken.Port, time.Second
				g.Account.Policy.Keep.None = true
				s := g.Run()
				var named *ledger.MessageError
				if g.Drop.Len() != 1 || fetch.ExitOf(s.Err) != fetch.ExitData || !errors.As(s.Err, &named) || named.UID != bad ||
					g.Failures() != 1 || s.Sessions > 5 {
					t.Errorf("exit %d: %v; %d left, %d failures, %d sessions", fetch.ExitOf(s.Err), s.Err, g.Drop.Len(), g.Failures(),
						s.Sessions)
				}
				g.Account.Server.Port = g.Server.Port
				if s := g.Run(); s.Err != nil || g.Drop.Len() != 0 || g.Delivered() != n {
					t.Errorf("a well-behaved server: %v; %d left, %d delivered", s.Err, g.Drop.Len(), g.Delivered())
				}
			})
		}
	}
}

// TestSessionsPerRun: a server that breaks at each message, or after a few, is not called again and again.
func TestSessionsPerRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		good int // messages that a session sends before it breaks; the last one is not proved
		most int
	}{{"never one", 0, fetch.MaxFruitless}, {"some each time", 2, fetch.MaxBroken}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var faults []pop3test.Fault
			for i := range 60 {
				faults = append(faults, pop3test.Fault{On: "RETR", Nth: (i + 1) * (tt.good + 1), Do: pop3test.Cut()})
			}
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{NoPipelining: true, Faults: faults})
			g.Add(30)
			s := g.Run()
			if s.Err == nil || s.Sessions < 2 || s.Sessions > tt.most || tt.good > 0 &&
				(s.Sessions < fetch.MaxBroken || s.Fetched < s.Sessions) {
				t.Errorf("%d sessions, at most %d: %v; %d fetched", s.Sessions, tt.most, s.Err, s.Fetched)
			}
		})
	}
}
