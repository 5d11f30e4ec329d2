package fetch

import (
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// TestDroppedQuirk: what no session confirmed leaves nothing behind.
func TestDroppedQuirk(t *testing.T) {
	t.Parallel()
	r := (&Fetcher{}).newRun(&Account{})
	r.noteQuirk(&r.facts.NoCapa, &r.facts.NoCapaAt, "it hung up")
	r.dropQuirks()
	if r.facts.NoCapa || !r.facts.NoCapaAt.IsZero() || len(r.sum.Notes) != 0 {
		t.Errorf("%+v, notes %q", r.facts, r.sum.Notes)
	}
}

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
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{Faults: []pop3test.Fault{tc.fault}})
			now := time.Now()
			g.fetcher.Now = func() time.Time { return now }
			run := func(sessions, notes int) {
				t.Helper()
				g.add(3)
				before := g.server.Connections()
				s := g.run()
				if got := g.server.Connections() - before; s.Err != nil || s.Fetched != 3 || got != sessions || len(s.Notes) != notes {
					t.Errorf("err %v, %d fetched, %d sessions (want %d), notes %q", s.Err, s.Fetched, got, sessions, s.Notes)
				}
			}
			run(2, 1) // learns
			run(1, 0)
			now = now.Add(recheckAfter - time.Hour)
			run(1, 0)
			now = now.Add(2 * time.Hour)
			run(tc.again, tc.again-1)
			now = now.Add(time.Hour)
			run(1, 0)
			g.view(func(v *state.View) {
				if f := v.Facts(); (f.NoPipelining || f.NoCapa) != tc.fault.Always {
					t.Errorf("in the end: %+v", f)
				}
			})
		})
	}
}
