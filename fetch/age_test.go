package fetch

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestAgeHoldsWhileABodyStreams: small messages are in the Maildir while the
// large one behind them is still on its way.
func TestAgeHoldsWhileABodyStreams(t *testing.T) {
	t.Parallel()
	for name, places := range map[string][]string{"one target": {"Mail"}, "two targets": {"Mail", "Other"}, "beside an mbox": {"Mail", "box"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFan(t, 3, pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 4", After: 1 << 16, Do: pop3test.Stall()}}},
				func(g *fan) (targets []Target) {
					for _, p := range places {
						if p == "box" {
							targets = append(targets, g.mboxTarget(p))
							continue
						}
						targets = append(targets, g.maildirTarget(p))
					}
					return targets
				})
			g.drop.Add("large", append(numbered(4), bytes.Repeat([]byte("0123456789\r\n"), 1<<15)...))
			g.account.Targets = g.targets()
			g.fetcher.batchAge = 100 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				g.fetcher.Run(ctx, []*Account{g.account})
			}()
			for end := time.Now().Add(4 * time.Second); len(g.inMaildir("Mail")) < 3; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Error("the small messages wait for the large one")
					break
				}
			}
			cancel()
			<-ended
			g.server.Close()
			g.serveWith(pop3test.Options{})
			g.wantExit(g.fetch(), ExitOK, "")
			for _, p := range places {
				got := g.inMaildir(p)
				if p == "box" {
					got = g.inMbox(p)
				}
				g.wantCopies(p, got, each("", "1", "2", "3", "4"))
			}
			if g.drop.Len() != 0 {
				t.Errorf("%d on the server", g.drop.Len())
			}
		})
	}
}
