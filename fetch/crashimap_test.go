//go:build faults && unix

package fetch_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// imapTarget is the mailbox of alice that arg names: "ADDRESS MAILBOX".
func imapTarget(arg string) deliver.Deliverer {
	addr, mailbox, _ := strings.Cut(arg, " ")
	host, port, _ := net.SplitHostPort(addr)
	num, _ := strconv.Atoi(port)
	return imap.New(imap.Options{
		Host: host, Port: num, Mailbox: mailbox, Secure: true, Timeout: 10 * time.Second, Settle: 300 * time.Millisecond,
		Connect: func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			return nc, nil, err
		},
		Logins: []imap.Login{{Mechanism: "LOGIN", User: "alice", Clear: true,
			Password: func(context.Context) (string, error) { return realtest.Password, nil }}},
	})
}

// imapCrashes returns what makes a crash with a mailbox of its own at one server.
func imapCrashes(t *testing.T, s *realtest.Mailbox) func(t *testing.T, mutate string) *crash {
	var seq atomic.Int64
	return func(t *testing.T, mutate string) *crash {
		box := fmt.Sprintf("Box/%d", seq.Add(1))
		c := newCrashOf(t, 4, "none", mutate) // one more than a batch
		c.target = &crashKind{kind: "imap", arg: s.Addr + " " + box, exact: true, copies: func(*crash) (list []string) {
			for _, m := range s.Kept(box) {
				list = append(list, string(m))
			}
			return list
		}}
		return c
	}
}

// imapServers have MULTIAPPEND, and not.
var imapServers = map[string]string{
	"MULTIAPPEND": "", "APPEND": "imap_capability = IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE\n",
	"lockstep": "imap_capability = IMAP4rev1 SASL-IR NAMESPACE\n",
}

// TestCrashOfIMAP kills the fetch into a real mailbox at each step, and the recovery
// at some of its steps: each message is then there once.
func TestCrashOfIMAP(t *testing.T) {
	for name, config := range imapServers {
		t.Run(name, func(t *testing.T) {
			start := imapCrashes(t, realtest.DovecotIMAP(t, config))
			steps, _ := start(t, "").run(0)
			t.Logf("%d steps", len(steps))
			for k := 1; k <= len(steps); k++ {
				t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
					t.Parallel()
					for j := 1; crashKindTwice(t, k, j, func() *crash { return start(t, "") }); j++ {
						if !full() {
							j += 5
						}
						if !full() && j > 6 {
							break
						}
					}
				})
			}
		})
	}
}

// TestIMAPMutationsAreCaught proves that it can fail.
func TestIMAPMutationsAreCaught(t *testing.T) {
	start := imapCrashes(t, realtest.DovecotIMAP(t, ""))
	for _, mutation := range []string{"no-intents", "imap-no-search"} {
		t.Run(mutation, func(t *testing.T) {
			steps, _ := start(t, mutation).run(0)
			for k := len(steps); k >= 1; k-- {
				c := start(t, mutation)
				c.run(k)
				if err := c.rest(); err != nil {
					t.Logf("caught at step %d (%s): %v", k, steps[k-1], err)
					return
				}
			}
			t.Fatal("no step showed the defect")
		})
	}
}
