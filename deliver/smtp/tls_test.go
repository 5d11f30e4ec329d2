package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
)

func TestSecurity(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	offer := func(s *gosmtp.Server) { s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} }
	offerLMTP := func(s *gosmtp.Server) { offer(s); s.LMTP = true }
	trust := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	tests := []struct {
		name, want string
		change     func(*gosmtp.Server)
		o          Options
	}{
		{"STARTTLS", "ok", offer, Options{TLS: trust}},
		{"STARTTLS over LMTP", "ok", offerLMTP, Options{TLS: trust, LMTP: true}},
		{"name from Host", "ok", offer, Options{TLS: &tls.Config{RootCAs: pool}, Host: "localhost"}},
		{"wrong name", "unavailable: TLS: ", offer, Options{TLS: &tls.Config{RootCAs: pool}, Host: "other"}},
		{"not trusted", "unavailable: TLS: ", offer, Options{TLS: &tls.Config{ServerName: "localhost"}}},
		{"no downgrade", "unavailable: STARTTLS: not offered by the relay", nil, Options{TLS: trust}},
		{"AUTH", "ok", offer, Options{TLS: trust, Logins: logins("secret")}},
		{"AUTH refused", "unavailable: AUTH: 454", offer, Options{TLS: trust, Logins: logins("guess")}},
		{"AUTH on loopback", "ok", func(s *gosmtp.Server) { s.AllowInsecureAuth = true },
			Options{Security: NoTLS, Logins: logins("secret")}},
		{"AUTH not offered", "unavailable: AUTH: relay offers none of PLAIN, LOGIN", nil,
			Options{Security: NoTLS, Logins: logins("secret")}},
		{"no password", "unavailable: AUTH: no such entry", offer, Options{TLS: trust, Logins: logins("")}},
		{"AUTH needs TLS", "denied: AUTH: refusing to send the password", func(s *gosmtp.Server) { s.AllowInsecureAuth = true },
			Options{Security: NoTLS, Logins: logins("secret"), Dial: farAway}},
		{"AUTH insecure", "ok", func(s *gosmtp.Server) { s.AllowInsecureAuth = true },
			Options{Security: NoTLS, Logins: logins("secret"), Dial: farAway, Insecure: true}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := startReceiver(t, "tcp", tc.change)
			tc.o.Address, tc.o.To = r.addr, []string{"a@x"}
			d := New(tc.o)
			defer d.Close()
			got := describe(deliverOne(t, d, deliver.Envelope{}, "x\n"))
			if !strings.HasPrefix(got, tc.want) || strings.Contains(got, "secret") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.Server = gosmtp.NewServer(r)
	r.ErrorLog = discard{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Serve(tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{cert}}))
	}()
	defer func() { _ = r.Close(); _ = inner.Close(); <-done }()
	d := New(Options{Address: inner.Addr().String(), Security: ImplicitTLS, To: []string{"a@x"},
		TLS: &tls.Config{RootCAs: pool, ServerName: "localhost"}})
	defer d.Close()
	for range 3 {
		if res := deliverOne(t, d, deliver.Envelope{}, strings.Repeat("large\n", 1<<17)); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	if n := len(r.received()); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	r := startReceiver(t, "unix", func(s *gosmtp.Server) { s.LMTP = true; s.AllowInsecureAuth = true })
	d := New(Options{Network: "unix", Address: r.addr, LMTP: true, Security: NoTLS, To: []string{"alice@x"},
		Logins: logins("secret")})
	defer d.Close()
	if res := deliverOne(t, d, deliver.Envelope{}, "x\n"); res.Err != nil {
		t.Fatal(res.Err)
	}
}

// TestLogin walks through AUTH LOGIN, and a PLAIN response too long for one line.
func TestLogin(t *testing.T) {
	t.Parallel()
	script := "S: 220 x\nC: EHLO\nS: 250-x\\n250-PIPELINING\\n250 AUTH CRAM-MD5 LOGIN\n" +
		"C: AUTH LOGIN YWxpY2U=\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok\n" + envelope + taken + quit
	long := strings.Repeat("x", 400)
	held := "S: 220 x\nC: EHLO\nS: 250-x\\n250-PIPELINING\\n250 AUTH PLAIN LOGIN\n" +
		"C: AUTH PLAIN\r\nS: 334\nC: AGFsaWNlAHh4\nS: 535 5.7.8 wrong: " + long + "\n"
	for want, tc := range map[string][2]string{"ok": {script, "secret"},
		"denied: AUTH: 535 (reply repeats the password)": {held, long}} {
		d := New(Options{Address: startScript(t, tc[0]), Security: NoTLS, To: []string{"a@b"}, Logins: logins(tc[1])})
		if got := describe(deliverOne(t, d, deliver.Envelope{}, "x\n")); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		_ = d.Close()
	}
}

// logins are those of alice with a password; an empty one cannot be had.
func logins(password string) []login.Login {
	by := func(name string, m func() sasl.Client) login.Login {
		return login.Login{Mechanism: name, Clear: true, User: "alice",
			New: func(context.Context, []string, *tls.ConnectionState) (login.Mechanism, error) {
				if password == "" {
					return nil, errors.New("no such entry")
				}
				return m(), nil
			}}
	}
	return []login.Login{by(sasl.Plain, func() sasl.Client { return sasl.NewPlainClient("", "alice", password) }),
		by(sasl.Login, func() sasl.Client { return sasl.NewLoginClient("alice", password) })}
}

// farAway connects as if over a network.
func farAway(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return elsewhere{c}, err
}

type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }
