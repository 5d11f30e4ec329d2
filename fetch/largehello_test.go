package fetch_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// middlebox is a way that takes no TLS greeting that is larger than a packet. It does
// instead what its name says.
type middlebox struct {
	net.Conn
	name  string
	large bool // it met one
}

func (m *middlebox) Write(p []byte) (int, error) {
	if len(p) > 1400 && p[0] == 0x16 && !m.large {
		m.large = true
	}
	if m.large {
		return len(p), nil
	}
	return m.Conn.Write(p[:min(len(p), 1400)]) // what is behind the first packet is lost
}

func (m *middlebox) Read(p []byte) (int, error) {
	switch {
	case m.large && m.name == "reset":
		return 0, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	case m.large && m.name == "alert":
		return copy(p, "\x15\x03\x01\x00\x02\x02\x32"), nil // fatal, decode_error
	}
	return m.Conn.Read(p)
}

// TestLargeHello: where a large TLS greeting is not answered, however that shows, a
// small one is tried once; it is remembered for 30 days, and then checked again.
func TestLargeHello(t *testing.T) {
	t.Parallel()
	for _, security := range []pop3.Security{pop3.ImplicitTLS, pop3.STLS} {
		for _, name := range []string{"reset", "swallowed", "alert"} {
			t.Run(fmt.Sprint(security, "/", name), func(t *testing.T) {
				t.Parallel()
				o := pop3test.Options{Security: pop3test.ImplicitTLS}
				if security == pop3.STLS {
					o.Security = pop3test.STLS
				}
				g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
				server := pop3test.NewServer(g.Drop, o)
				t.Cleanup(server.Close)
				g.Account.Server.Port, g.Account.Server.Connect = server.Port, time.Second
				g.Account.Server.Security, g.Account.Server.TLS = security, &tls.Config{RootCAs: server.CertPool(), ServerName: "localhost"}
				dials := 0
				g.Account.Server.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					dials++
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					return &middlebox{Conn: c, name: name}, err
				}
				now := time.Now()
				g.Fetcher.Now = func() time.Time { return now }
				run := func(want int, note bool) {
					t.Helper()
					g.Add(1)
					dials = 0
					s := g.Run()
					if s.Err != nil || s.Fetched != 1 || dials != want {
						t.Errorf("%v; %d fetched, %d connections", s.Err, s.Fetched, dials)
					}
					if got := strings.Contains(strings.Join(s.Notes, "\n"),
						"when the TLS greeting is large: sessions are without post-quantum"); got != note {
						t.Errorf("notes %q", s.Notes)
					}
				}
				run(2, true)
				now = now.AddDate(0, 0, 29)
				run(1, false)
				now = now.AddDate(0, 0, 2)
				run(2, true)
			})
		}
	}
}

// TestHelloWithoutCure: if a small greeting is not answered either, nothing is
// remembered.
func TestHelloWithoutCure(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Account.Server.Security = pop3.ImplicitTLS
	dials := 0
	g.Account.Server.Dial = func(context.Context, string, string) (net.Conn, error) {
		dials++
		ours, theirs := net.Pipe()
		go func() { _, _ = theirs.Read(make([]byte, 4096)); theirs.Close() }()
		return ours, nil
	}
	for range 2 {
		dials = 0
		if s := g.Run(); s.Err == nil || !strings.Contains(s.Err.Error(), "closed the connection in the handshake") ||
			dials != 2 || len(s.Notes) > 0 {
			t.Errorf("%v after %d connections; notes %q", s.Err, dials, s.Notes)
		}
	}
}
