//go:build unix

package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// alice are options for her mailbox at an address, with the command LOGIN.
func alice(addr, mailbox string) Options {
	host, port, _ := net.SplitHostPort(addr)
	o := Options{Host: host, Secure: true, Mailbox: mailbox, Timeout: 10 * time.Second, Settle: 200 * time.Millisecond}
	_, _ = fmt.Sscan(port, &o.Port)
	o.Connect = func(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		return nc, nil, err
	}
	o.Logins = []login.Login{{Mechanism: "LOGIN", Clear: true, User: "alice",
		Password: func(context.Context) (string, error) { return realtest.Password, nil }}}
	return o
}

// boxFor is a mailbox for each directory of the suite.
func boxFor(dir string) string { return fmt.Sprintf("Box/%x", sha256.Sum256([]byte(dir)))[:20] }

// sharedServer tells a killed child of the suite where its server is.
const sharedServer = "MAILHAUL_IMAP_SERVER"

func TestConformance(t *testing.T) {
	addr, dir, _ := bytes.Cut([]byte(os.Getenv(sharedServer)), []byte(" "))
	if len(addr) == 0 {
		s := realtest.DovecotIMAP(t, "")
		addr, dir = []byte(s.Addr), []byte(s.Dir)
		t.Setenv(sharedServer, s.Addr+" "+s.Dir)
	}
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, at string) delivertest.Target {
			d := New(alice(string(addr), boxFor(at)))
			read := func(t testing.TB) [][]byte { return realtest.KeptInMaildir(t, string(dir), boxFor(at)) }
			return delivertest.Target{Deliverer: d, Read: read, ByReceipt: func(t testing.TB, receipt string) []byte {
				return readBack(t, alice(string(addr), boxFor(at)), receipt)
			}}
		},
		Recover: func(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
			in := new(intent)
			err := in.Decode(Kind, i.Data, in)
			if err != nil {
				return deliver.Unknown, err
			}
			d := New(alice(string(addr), in.Mailbox))
			defer d.Close()
			return d.Recover(ctx, i)
		},
		InDir:     true,
		Mutations: []string{"imap-no-sum"},
		Skip: map[string]string{
			"bodies/nul":   "IMAP cannot carry it: TestRefusedBeforeUpload",
			"bodies/empty": "IMAP cannot carry it: TestRefusedBeforeUpload",
		},
	})
}
