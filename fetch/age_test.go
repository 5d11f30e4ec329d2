package fetch_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestAgeHoldsWhileABodyStreams: small messages are in the Maildir while the
// large one behind them is still on its way.
func TestAgeHoldsWhileABodyStreams(t *testing.T) {
	t.Parallel()
	for name, places := range map[string][]string{"one target": {"Mail"}, "two targets": {"Mail", "Other"},
		"beside an mbox": {"Mail", "box"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := fetchtest.NewWithTargets(t, 3, pop3test.Options{},
				func(g *fetchtest.Rig) (targets []commit.Target) {
					for _, p := range places {
						if p == "box" {
							targets = append(targets, g.MboxTarget(p))
							continue
						}
						targets = append(targets, g.MaildirTarget(p))
					}
					return targets
				})
			g.Drop.Add("large", append(fetchtest.Numbered(4), bytes.Repeat([]byte("0123456789\r\n"), 1<<15)...))
			g.Account.Targets = g.Targets()
			fetch.SetBatchAge(g.Fetcher, 100*time.Millisecond)
			stalls := pop3test.Options{Faults: []pop3test.Fault{{On: "RETR 4", After: 1 << 16, Do: pop3test.Stall()}}}
			g.Piped(stalls, func(*pop3test.Server) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second) // long before the server is given up
				defer cancel()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					g.Fetcher.Run(ctx, []*fetch.Account{g.Account})
				}()
				time.Sleep(time.Second / 2)
				if len(g.InMaildir("Mail")) < 3 {
					t.Error("the small messages wait for the large one")
				}
				<-ended
			})
			g.Account.Server.Dial = nil
			g.WantExit(g.Run(), fetch.ExitOK, "")
			for _, p := range places {
				got := g.InMaildir(p)
				if p == "box" {
					got = g.InMbox(p)
				}
				g.WantCopies(p, got, fetchtest.Each("", "1", "2", "3", "4"))
			}
			if g.Drop.Len() != 0 {
				t.Errorf("%d on the server", g.Drop.Len())
			}
		})
	}
}
