package fetch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestQuirksAreRechecked: a connection that broke once, for whatever reason,
// does not make an account slow for ever; a server that really cannot bear
// pipelining or CAPA costs one session a month more.
func TestQuirksAreRechecked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault pop3test.Fault
		again int // sessions of the run in which it is tried again
	}{
		"pipelining, once": {pop3test.Fault{On: "STAT", Nth: 1, Do: pop3test.HangUpOnPipelining()}, 1},
		"pipelining":       {pop3test.Fault{On: "STAT", Always: true, Do: pop3test.HangUpOnPipelining()}, 2},
		"CAPA, once":       {pop3test.Fault{On: "CAPA", Nth: 1, Do: pop3test.Cut()}, 1},
		"CAPA":             {pop3test.Fault{On: "CAPA", Always: true, Do: pop3test.Cut()}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{tc.fault}})
			now := time.Now()
			g.Fetcher.Now = func() time.Time { return now }
			run := func(sessions, notes int) {
				t.Helper()
				g.Add(3)
				before := g.Server.Connections()
				s := g.Run()
				if got := g.Server.Connections() - before; s.Err != nil || s.Fetched != 3 || got != sessions || len(s.Notes) != notes {
					t.Errorf("err %v, %d fetched, %d sessions (want %d), notes %q", s.Err, s.Fetched, got, sessions, s.Notes)
				}
			}
			run(2, 1) // learns
			run(1, 0)
			now = now.Add(fetch.RecheckAfter - time.Hour)
			run(1, 0)
			now = now.Add(2 * time.Hour)
			run(tc.again, tc.again-1)
			now = now.Add(time.Hour)
			run(1, 0)
			g.View(func(v *state.View) {
				if f := v.Facts(); (f.NoPipelining || f.NoCapa) != tc.fault.Always {
					t.Errorf("in the end: %+v", f)
				}
			})
		})
	}
}

// TestPipeliningQuirk: however a server fails when commands are sent ahead, all
// messages arrive in the same run, once and whole, the note says what was seen,
// and the next run takes one session.
func TestPipeliningQuirk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, seen string
		fault      pop3test.Fault
	}{
		{"hangs up", "hangs up", pop3test.Fault{Do: pop3test.Cut()}},
		{"falls silent", "falls silent", pop3test.Fault{Do: pop3test.Stall()}},
		{"falls silent behind the first reply (tpop3d)", "falls silent", pop3test.Fault{After: -1, Do: pop3test.Stall()}},
		{"falls silent at the second command", "falls silent", pop3test.Fault{Nth: 2, Do: pop3test.Stall()}},
		{"garbles", "garbles its replies", pop3test.Fault{Do: pop3test.Raw("BUSY\r\n")}},
		{"answers the next inside (WildDuck)", "garbles its replies", pop3test.Fault{
			Do: pop3test.Raw("+OK\r\nSubject: x\r\n\r\n+OK 62 octets\r\nSubject: y\r\n\r\n.\r\nrest\r\n.\r\n")}},
	} {
		for _, on := range []string{"STAT", "RETR"} {
			for _, n := range []int{2, 7} {
				t.Run(fmt.Sprintf("%s/%s/%d", tt.name, on, n), func(t *testing.T) {
					t.Parallel()
					f := tt.fault
					f.On, f.Always, f.Do = on, true, pop3test.IfPipelined(f.Do)
					if on == "STAT" && f.Nth > 1 {
						f.On, f.Nth = "UIDL", 1
					}
					g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{f}})
					g.Account.Server.Idle = time.Second
					g.Account.Policy.Keep.None = true
					g.Add(n)
					s := g.Run()
					if s.Err != nil || s.Fetched != n || g.Delivered() != n || g.Drop.Len() != 0 || g.Failures() != 0 {
						t.Fatalf("%v; %d fetched, %d left, %d failures", s.Err, s.Fetched, g.Drop.Len(), g.Failures())
					}
					if note := strings.Join(s.Notes, "\n"); !strings.Contains(note,
						"detected server quirk: the server "+tt.seen+" when several") || len(s.Notes) > 1 {
						t.Errorf("notes: %q", s.Notes)
					}
					before := g.Server.Connections()
					g.Add(n)
					if s := g.Run(); s.Err != nil || g.Delivered() != 2*n || g.Server.Connections() != before+1 {
						t.Errorf("the next run: %v, %d sessions, %d delivered", s.Err, g.Server.Connections()-before, g.Delivered())
					}
				})
			}
		}
	}
}
