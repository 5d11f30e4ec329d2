package pop3

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// authority is a certificate that can sign others.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{sign(t, tmpl, tmpl, key, key), key}
}

func sign(t *testing.T, tmpl, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// leaf makes a server certificate, with the authority's in the chain.
func (a authority) leaf(t *testing.T, host string, until time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(until),
	}, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, a.cert.Raw}, PrivateKey: key, Leaf: cert}
}

// tlsServer accepts one connection, does the handshake after prologue (a
// plain text exchange), and then says its replies.
func tlsServer(t *testing.T, cert tls.Certificate, plain func(net.Conn) bool) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if plain != nil && !plain(conn) {
			return
		}
		s := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		if s.Handshake() != nil {
			return
		}
		if plain == nil {
			_, _ = io.WriteString(s, "+OK secure\r\n")
		}
		_, _ = io.WriteString(s, "+OK\r\nX-SECURE\r\n.\r\n")
		_, _ = io.Copy(io.Discard, s)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return &Server{Host: "pop.test", Port: l.Addr().(*net.TCPAddr).Port, Connect: 10 * time.Second,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		}}
}

func dialClose(t *testing.T, s *Server) error {
	t.Helper()
	c, err := Dial(t.Context(), s)
	if err != nil {
		return err
	}
	if c.TLS() == nil || !c.Capabilities().Has("X-SECURE") {
		t.Errorf("TLS %v, capabilities %v", c.TLS(), c.Capabilities())
	}
	return c.Close()
}

func TestCertificates(t *testing.T) {
	ca, other := newAuthority(t, "Test CA"), newAuthority(t, "Other \x1b CA")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	good := ca.leaf(t, "pop.test", time.Hour)
	foreign := other.leaf(t, "pop.test", time.Hour)
	expired := ca.leaf(t, "pop.test", -24*time.Hour)
	misled := other.leaf(t, "pop.test", time.Hour)
	misled.Certificate[1] = ca.cert.Raw // the pinned authority's certificate beside a key that it did not sign
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		pins []*x509.Certificate
		kind TLSKind
		err  string
	}{
		{name: "good", cert: good},
		{name: "untrusted", cert: foreign, kind: TLSUnknownAuthority,
			err: `certificate is not trusted: it is for pop.test, signed by "CN=Other`},
		{name: "expired", cert: expired, kind: TLSExpired, err: "it is valid from "},
		{name: "wrong host", cert: ca.leaf(t, "other.test", time.Hour), kind: TLSWrongHost,
			err: "certificate is for other names: other.test"},
		{name: "pinned", cert: foreign, pins: []*x509.Certificate{foreign.Leaf}},
		{name: "pinned and expired", cert: expired, pins: []*x509.Certificate{expired.Leaf}},
		{name: "pinned authority", cert: good, pins: []*x509.Certificate{other.cert, ca.cert}},
		{name: "other key", cert: good, pins: []*x509.Certificate{foreign.Leaf}, kind: TLSPinMismatch, err: "it is sha256/"},
		{name: "pinned authority did not sign", cert: misled, pins: []*x509.Certificate{ca.cert}, kind: TLSUnknownAuthority,
			err: "not trusted"},
		{name: "pinned authority, wrong host", cert: ca.leaf(t, "other.test", time.Hour), pins: []*x509.Certificate{ca.cert},
			kind: TLSWrongHost, err: "other names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tlsServer(t, tt.cert, nil)
			s.TLS = &tls.Config{RootCAs: pool}
			if tt.pins != nil {
				var pins [][32]byte
				for _, c := range tt.pins {
					pins = append(pins, spki(c))
				}
				PinSPKI(s.TLS, pins)
			}
			err := dialClose(t, s)
			wantErr(t, err, tt.err)
			var e *TLSError
			if tt.err != "" && (!errors.As(err, &e) || e.Kind != tt.kind || !printable(e.Error())) {
				t.Errorf("%#v", err)
			}
		})
	}
}

func TestSTLS(t *testing.T) {
	ca := newAuthority(t, "CA")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	cert := ca.leaf(t, "pop.test", time.Hour)
	const offer = "+OK hi\r\n+OK\r\nSTLS\r\nX-PLAIN\r\n.\r\n"
	for _, tt := range []struct{ name, hello, reply, err string }{
		{"good", offer, "+OK\r\n", ""},
		{"injected", offer, "+OK\r\n+OK evil\r\n", "data before the TLS handshake"},
		{"refused", offer, "-ERR no\r\n", "stls: server refused: no"},
		{"stripped", "+OK hi\r\n+OK\r\nUSER\r\n.\r\n", "", "does not offer STLS"},
		{"no capa", "+OK hi\r\n-ERR\r\n", "+OK\r\n", ""},
		{"garbage", offer, "hello\r\n", "neither +OK nor -ERR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tlsServer(t, cert, func(conn net.Conn) bool {
				_, _ = io.WriteString(conn, tt.hello)
				buf := make([]byte, len("CAPA\r\nSTLS\r\n"))
				if _, err := io.ReadFull(conn, buf); err != nil {
					return false
				}
				_, _ = io.WriteString(conn, tt.reply)
				return tt.err == ""
			})
			s.Security, s.TLS = STLS, &tls.Config{RootCAs: pool}
			err := dialClose(t, s)
			wantErr(t, err, tt.err)
		})
	}
}

func TestSTLSForgetsCapabilities(t *testing.T) {
	ca := newAuthority(t, "CA")
	s := tlsServer(t, ca.leaf(t, "pop.test", time.Hour), func(conn net.Conn) bool {
		_, _ = io.WriteString(conn, "+OK hi\r\n+OK\r\nSTLS\r\nX-PLAIN\r\n.\r\n")
		_, err := io.ReadFull(conn, make([]byte, len("CAPA\r\nSTLS\r\n")))
		_, _ = io.WriteString(conn, "+OK\r\n")
		return err == nil
	})
	s.Security, s.TLS = STLS, &tls.Config{}
	PinSPKI(s.TLS, [][32]byte{spki(ca.cert)})
	var steps []string
	s.Step = func(name string, err error, d time.Duration) { steps = append(steps, name) }
	c, err := Dial(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Capabilities().Has("X-PLAIN") || !c.Capabilities().Has("X-SECURE") {
		t.Errorf("capabilities %v", c.Capabilities())
	}
	if got := strings.Join(steps, " "); got != "tcp greeting capa stls capa" {
		t.Errorf("steps %q", got)
	}
}

func TestHandshakeFaults(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		kind       TLSKind
		err        string
	}{
		{"plain server", "+OK POP3 ready\r\n", TLSNotSpoken, "does not speak TLS"},
		{"imap in the clear", "* OK IMAP4rev1 ready\r\n", TLSNotSpoken, "does not speak TLS"},
		{"hangs", "", TLSTimeout, "timeout in the handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					go func() { _, _ = io.WriteString(server, tt.says) }()
					_, _ = io.Copy(io.Discard, server)
				}()
				start := time.Now()
				_, err := NewClient(t.Context(), client, &Server{Host: "pop.test", Connect: time.Second})
				if took := time.Since(start); took > time.Second {
					t.Errorf("after %v", took)
				}
				wantErr(t, err, tt.err)
				var e *TLSError
				if !errors.As(err, &e) || e.Kind != tt.kind {
					t.Errorf("%#v", err)
				}
				<-done
			})
		})
	}
}

func TestDialErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		s    Server
		ctx  context.Context
		kind DialKind
		is   error
	}{
		{"refused", Server{Host: "127.0.0.1", Port: port}, t.Context(), DialRefused, nil},
		{"dns", Server{Host: "x", Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{IsNotFound: true}
		}}, t.Context(), DialDNS, nil},
		{"timeout", Server{Host: "x", Connect: time.Millisecond, Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			if address != "x:995" {
				t.Errorf("address %q", address)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}}, t.Context(), DialTimeout, nil},
		{"cancelled", Server{Host: "127.0.0.1", Port: port}, cancelled, DialOther, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Dial(tt.ctx, &tt.s)
			var e *DialError
			if !errors.As(err, &e) || e.Kind != tt.kind || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%#v", err)
			}
		})
	}
}
