package advice

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// handshake is a TLS handshake that fails, with a real server, and what is said
// about it: with a configuration file, and with --from.
type handshake struct {
	name   string
	kind   pop3.TLSKind
	server pop3test.Options
	client func(*pop3.Server)
	says   []string
	bare   string
	never  string
}

func handshakes() []handshake {
	ca := pop3test.NewCA()
	with := func(l pop3test.Leaf) pop3test.Options {
		c := ca.Issue(l)
		return pop3test.Options{CA: ca, Certificate: &c}
	}
	only := func(change func(*tls.Config)) pop3test.Options { return pop3test.Options{TLS: change} }
	local := []string{"localhost"}
	return []handshake{
		{"its own authority", pop3.TLSUnknownAuthority, with(pop3test.Leaf{Names: local, SelfSigned: true}), stranger,
			[]string{"trust its authority with ca_file,", "pin: sha256/"}, "--ca-file", "intermediate"},
		{"a namesake in the system's store", pop3.TLSUnknownAuthority,
			with(pop3test.Leaf{Names: local, CommonName: "localhost", SelfSigned: true}), namesake(ca),
			[]string{"trust its authority with ca_file,", "pin: sha256/"}, "--ca-file", "fault"},
		{"no intermediate", pop3.TLSUnknownAuthority, with(pop3test.Leaf{Names: local}), stranger,
			[]string{"lacks the intermediate certificate \"CN=pop3test root\": its owner must add it"}, "--ca-file", ""},
		{"inspected", pop3.TLSUnknownAuthority, with(pop3test.Leaf{Names: local, CommonName: "ESET SSL Filter CA",
			SelfSigned: true}), stranger, []string{"firewall or virus scanner", "ca_file"}, "--ca-file", "pin"},
		{"expired", pop3.TLSExpired, with(pop3test.Leaf{Names: local, NotBefore: day(-2), NotAfter: day(-1)}), nil,
			[]string{"clock right? Else the server's owner must renew it", "pin: sha256/"}, "in a configuration file", ""},
		{"not yet valid", pop3.TLSExpired, with(pop3test.Leaf{Names: local, NotBefore: day(1), NotAfter: day(2)}), nil,
			[]string{"from the future", "timedatectl"}, "clock", "renew"},
		{"another name", pop3.TLSWrongHost, with(pop3test.Leaf{Names: []string{"other.test"}}), nil,
			[]string{"Use one of those names as the server, or set server_name."}, "configuration file", "renew"},
		{"common name alone", pop3.TLSNameless, with(pop3test.Leaf{CommonName: "localhost"}), nil,
			[]string{"where programs look today", "pin: sha256/"}, "configuration file", "server_name"},
		{"another key", pop3.TLSPinMismatch, pop3test.Options{}, func(s *pop3.Server) {
			s.TLS = new(tls.Config)
			pop3.PinSPKI(s.TLS, [][32]byte{{1}})
		},
			[]string{"No password was sent", "set pin to that"}, "configuration file", "ca_file"},
		{"for clients", pop3.TLSUnusable, with(pop3test.Leaf{Names: local, Client: true}), nil,
			[]string{"a fault that its owner must fix", "pin: sha256/"}, "configuration file", "ca_file"},
		{"no TLS here", pop3.TLSNotSpoken, pop3test.Options{Security: pop3test.Plain}, nil, []string{"tls: stls", "tls: implicit"},
			"--from pop3://", ""},
		{"no STLS", pop3.TLSNotOffered, pop3test.Options{Security: pop3test.Plain},
			func(s *pop3.Server) { s.Security = pop3.STLS }, []string{"tls: implicit"}, "--from pop3s://", "stls"},
		{"TLS 1.0", pop3.TLSNoCommon, only(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }),
			nil, []string{"min_version: 1.0", "legacy: true", "DHE"}, "configuration file", ""},
		{"name not known", pop3.TLSUnknownName, only(func(c *tls.Config) {
			c.Certificates, c.GetCertificate = nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}), nil, []string{"does not know the name localhost", "server_name"}, "configuration file", ""},
		{"wants our certificate", pop3.TLSClientCert, pop3test.Options{ClientAuth: tls.RequireAndVerifyClientCert}, nil,
			[]string{"client_cert and client_key"}, "configuration file", ""},
		{"hangs up", pop3.TLSClosed, pop3test.Options{}, meets(func(c net.Conn) { _ = c.Close() }),
			[]string{"does this port speak TLS"}, "from here", "check --connect"},
		{"silent", pop3.TLSTimeout, pop3test.Options{}, func(s *pop3.Server) { meets(func(net.Conn) {})(s); s.Connect = 20 * time.Millisecond },
			[]string{"Does this port speak TLS?"}, "busy", "check --connect"},
	}
}

func day(n int) time.Time { return time.Now().AddDate(0, 0, n) }

func stranger(s *pop3.Server) { s.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }

// namesake trusts another certificate that signed itself, of the name localhost, as
// Debian's snakeoil certificate in the system's store.
func namesake(ca *pop3test.CA) func(*pop3.Server) {
	return func(s *pop3.Server) {
		stranger(s)
		s.TLS.RootCAs.AddCert(ca.Issue(pop3test.Leaf{CommonName: "localhost", SelfSigned: true}).Leaf)
	}
}

// meets has the client meet a peer that reads its greeting, and then does.
func meets(do func(net.Conn)) func(*pop3.Server) {
	return func(s *pop3.Server) {
		s.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _, _ = server.Read(make([]byte, 1<<12)); do(server) }()
			return client, nil
		}
	}
}

// TestHandshakes: each kind of failed handshake has a sentence of its own, which
// helps, and sends nobody in a circle.
func TestHandshakes(t *testing.T) {
	met := make(map[pop3.TLSKind]bool)
	for _, h := range handshakes() {
		met[h.kind] = true
		t.Run(h.name, func(t *testing.T) {
			err := h.fails(t)
			if e, ok := errors.AsType[*pop3.TLSError](err); !ok || e.Kind != h.kind {
				t.Fatalf("%#v", err)
			}
			text := Text(err, Situation{Account: "work"})
			for _, word := range h.says {
				if !strings.Contains(text, word) {
					t.Errorf("no %q: %s", word, text)
				}
			}
			if h.never != "" && strings.Contains(text, h.never) {
				t.Errorf("%q: %s", h.never, text)
			}
			if text = Text(err, Situation{Account: "a@b", Bare: true}); !strings.Contains(text, h.bare) {
				t.Errorf("with --from, no %q: %s", h.bare, text)
			}
		})
	}
	for kind := pop3.TLSOther + 1; kind <= pop3.TLSClosed; kind++ {
		if !met[kind] {
			t.Errorf("nothing here meets kind %d", kind)
		}
	}
	if text := Text(&pop3.TLSError{Err: errors.New("x509: malformed")}, Situation{}); !strings.Contains(text, "its owner must renew it") {
		t.Error(text)
	}
}

func (h *handshake) fails(t *testing.T) error {
	server := pop3test.NewServer(&pop3test.Maildrop{}, h.server)
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Addr())
	s := &pop3.Server{Host: "localhost", TLS: &tls.Config{RootCAs: server.CertPool()}}
	s.Port, _ = strconv.Atoi(port)
	if h.client != nil {
		h.client(s)
	}
	c, err := pop3.Dial(t.Context(), s)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func TestInspected(t *testing.T) {
	for issuer, want := range map[string]bool{
		"CN=ESET SSL Filter CA,O=ESET\\, spol. s r. o.": true, "CN=AVG Web/Mail Shield Root": true, "O=Zscaler Inc.": true,
		"CN=Interne CA,O=Gesetzliche Krankenversicherung": false, "CN=Average CA": false,
	} {
		if got := inspected(issuer); got != want {
			t.Errorf("%s: %v", issuer, got)
		}
	}
}
