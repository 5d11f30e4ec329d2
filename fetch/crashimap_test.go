//go:build faults && unix

package fetch_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/imap"
	loginway "github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// imapTarget is the mailbox of alice that arg names: "ADDRESS MAILBOX", for accounts
// with their state in dir.
func imapTarget(arg, dir string) deliver.Deliverer {
	addr, mailbox, _ := strings.Cut(arg, " ")
	host, port, _ := net.SplitHostPort(addr)
	num, _ := strconv.Atoi(port)
	return imap.New(imap.Options{
		Host: host, Port: num, Mailbox: mailbox, Secure: true, Timeout: 10 * time.Second, Settle: 300 * time.Millisecond,
		Claims: imap.Claims(filepath.Join(dir, "claims")),
		Connect: func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			return nc, nil, err
		},
		Logins: []loginway.Login{{Mechanism: "LOGIN", User: "alice", Clear: true,
			Password: func(context.Context) (string, error) { return realtest.Password, nil }}},
	})
}

// anyUser lets everybody into the Dovecot of a crash test, with fetchtest's password.
const anyUser = "passdb {\n driver = static\n args = password=secret\n}\n"

// dovecotDrop is the maildrop of one user of a Dovecot as a crashServer. Its commands are
// not counted, but what is left in it.
type dovecotDrop struct {
	*pop3test.Dovecot
	user string
}

func (d dovecotDrop) Count(string) int { return d.Maildrop(d.user) }
func (dovecotDrop) Commands() []string { return nil }

// imapCrashes returns what makes a crash from a maildrop to a mailbox, both of its own and
// at one server.
func imapCrashes(t *testing.T, s *realtest.Mailbox) func(t *testing.T, mutate string) *crash {
	var seq atomic.Int64
	return func(t *testing.T, mutate string) *crash {
		n := seq.Add(1)
		box := fmt.Sprintf("Box/%d", n)
		c := newCrashOf(t, 4, "none", mutate) // one more than a batch
		c.user = fmt.Sprintf("from%d", n)
		c.server = dovecotDrop{s.POP3, c.user}
		for i := range 4 {
			s.POP3.AddMessages(c.user, [][]byte{crashMessage(i)})
		}
		c.target = &crashKind{kind: "imap", arg: s.Addr + " " + box, exact: true, copies: func(*crash) (list []string) {
			if n := s.POP3.Maildrop(c.user); n > 0 {
				t.Errorf("%d messages are left on the server", n)
			}
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
			start := imapCrashes(t, realtest.DovecotIMAP(t, config+anyUser))
			crashInRecovery(t, func(t *testing.T) *crash { return start(t, "") })
		})
	}
}

// TestCrashOfIMAPShared does so while another account delivers the same messages to the
// same mailbox: each is then there once for each account, however often the other one
// has delivered it.
func TestCrashOfIMAPShared(t *testing.T) {
	start := imapCrashes(t, realtest.DovecotIMAP(t, anyUser))
	shared := func() *crash {
		c := start(t, "")
		delivered, all := 0, c.target.copies
		c.target.meddle = func(c *crash) { deliverTheirs(c); delivered++ }
		c.target.copies = func(c *crash) (list []string) {
			seen := make(map[string]int)
			for _, m := range all(c) {
				if seen[m]++; seen[m] > delivered {
					list = append(list, m)
				}
			}
			return list
		}
		return c
	}
	steps, _ := start(t, "").run(0)
	for k := 1; k <= len(steps); k++ {
		t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
			t.Parallel()
			for j := 1; crashKindTwice(t, k, j, shared); j++ {
				if !full() && j > 1 {
					break
				}
				if !full() {
					j += 5 // in the recovery, after it has claimed
				}
			}
		})
	}
}

// deliverTheirs delivers all messages of c once more, for another account.
func deliverTheirs(c *crash) {
	d := imapTarget(c.target.arg, c.dir)
	defer d.Close()
	b, err := d.Begin(c.t.Context())
	for i := range len(c.want) {
		if err != nil {
			c.t.Fatal(err)
		}
		err = b.Add(c.t.Context(), deliver.Envelope{Date: time.Unix(1e9, 0)}, strings.NewReader(
			fmt.Sprintf("Message-ID: <%d@test>\nSubject: n%d\n\n.dot\nbody %d\n", i, i, i)))
	}
	if err == nil {
		_, err = b.Prepare(c.t.Context())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range b.Publish(c.t.Context()) {
		if r.Err != nil {
			c.t.Fatal(r.Err)
		}
	}
}

// TestIMAPMutationsAreCaught proves that it can fail.
func TestIMAPMutationsAreCaught(t *testing.T) {
	start := imapCrashes(t, realtest.DovecotIMAP(t, anyUser))
	for _, mutation := range []string{"no-intents", "imap-no-search"} {
		t.Run(mutation, func(t *testing.T) {
			wantCaught(t, func() *crash { return start(t, mutation) })
		})
	}
}
