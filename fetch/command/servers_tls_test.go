package command

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// tlsCase is one server certificate and one account that has to cope with it.
type tlsCase struct {
	name string
	o    pop3test.Options
	conf []string // CA stands for the lab's authority; see conf
	exit int
	says []string
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := pop3test.NewCA()
	files := newLab(t)
	root := files.write("ca.pem", ca.RootPEM())
	cert, key, err := pop3test.WritePEM(files.dir, "alice", ca.Client("alice"))
	if err != nil {
		t.Fatal(err)
	}
	trust := "ca_file: " + root
	with := func(c tls.Certificate) pop3test.Options { return pop3test.Options{CA: ca, Certificate: &c} }
	self, expired, early, other := ca.SelfSigned("localhost"), ca.Expired("localhost"), ca.NotYetValid("localhost"), ca.WrongHost()
	old := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }
	oldTLS := with(ca.Leaf("localhost"))
	oldTLS.TLS = old
	clientAuth := with(ca.Leaf("localhost"))
	clientAuth.ClientAuth = tls.RequireAndVerifyClientCert
	sni := with(ca.Leaf("localhost"))
	sni.TLS = func(c *tls.Config) {
		leaf := ca.Leaf("pop.example.org")
		c.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName != "pop.example.org" {
				return nil, fmt.Errorf("no name %q here", h.ServerName)
			}
			return &leaf, nil
		}
	}
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02") }
	var cases []subtest
	for _, c := range []tlsCase{
		{"trusted", with(ca.Leaf("localhost")), []string{trust}, 0, nil},
		{"unknown authority", with(ca.Leaf("localhost")), nil, 77, []string{
			"certificate is not trusted: it is for localhost, signed by \"CN=pop3test root\", valid from " +
				day(time.Now().Add(-time.Hour)),
			"trust its authority with ca_file, or this key alone with `pin: sha256/"}},
		{"self-signed", with(self), []string{trust}, 77, []string{"signed by itself", "pin: " + pop3test.Pin(self)}},
		{"self-signed, pinned", with(self), []string{"pin: " + pop3test.Pin(self)}, 0, nil},
		{"expired", with(expired), []string{trust}, 77, []string{"valid from " + day(expired.Leaf.NotBefore) + " to " +
			day(expired.Leaf.NotAfter), "clock", "pin: sha256/"}},
		{"expired, pinned", with(expired), []string{"pin: " + pop3test.Pin(expired)}, 0, nil},
		{"not yet valid", with(early), []string{trust}, 77, []string{"certificate is not valid now", "clock"}},
		{"other host", with(other), []string{trust}, 77, []string{"tls localhost: certificate is for other names: other.example",
			"server_name"}},
		{"other host, server_name", with(other), []string{trust, "server_name: other.example"}, 0, nil},
		{"SNI", sni, []string{trust, "server_name: pop.example.org"}, 0, nil},
		{"SNI missing", sni, []string{trust}, 69, []string{"tls localhost: "}},
		{"other key than pinned", with(ca.Leaf("localhost")), []string{"pin: " + pop3test.Pin(self)}, 77,
			[]string{"server's key is not the pinned one", "new key"}},
		{"client certificate", clientAuth, []string{trust, "client_cert: " + cert, "client_key: " + key}, 0, nil},
		{"client certificate missing", clientAuth, []string{trust}, 77, []string{"certificate required", "client_cert"}},
		{"TLS 1.0", oldTLS, []string{trust}, 69, []string{"min_version", "legacy"}},
		{"TLS 1.0, min_version", oldTLS, []string{trust, "min_version: \"1.0\""}, 0,
			[]string{"min_version allows a TLS version that is broken"}},
		{"TLS 1.0, legacy", oldTLS, []string{trust, "legacy: true"}, 0, []string{"legacy: true allows TLS 1.0 and broken ciphers"}},
		{"TLS 1.3 wanted", withMax(with(ca.Leaf("localhost")), tls.VersionTLS12), []string{trust, "min_version: \"1.3\""}, 69,
			[]string{"min_version"}},
	} {
		for _, security := range []pop3test.Security{pop3test.ImplicitTLS, pop3test.STLS} {
			cases = append(cases, subtest{fmt.Sprintf("%s/%d", c.name, security), func(t *testing.T) { c.connect(t, security) }},
				subtest{fmt.Sprintf("%s/%d, target", c.name, security), func(t *testing.T) { c.deliver(t, security, ca) }})
		}
	}
	together(t, cases)
}

func withMax(o pop3test.Options, version uint16) pop3test.Options {
	o.TLS = func(c *tls.Config) { c.MaxVersion = version }
	return o
}

func (c tlsCase) connect(t *testing.T, security pop3test.Security) {
	l := newLab(t)
	o := c.o
	o.Security = security
	s := serve(t, dropOf(letters(5)), o)
	word := map[pop3test.Security]string{pop3test.ImplicitTLS: "implicit", pop3test.STLS: "stls"}[security]
	l.account(append([]string{fmt.Sprintf("server: localhost:%d", s.Port), "tls: " + word, secret}, c.conf...)...)
	for range 2 { // a warning comes each time
		out := l.run("fetch")
		l.want(out, c.exit, c.says...)
	}
	want := 5
	if c.exit != 0 {
		want = 0
		if n := s.Count("AUTH") + s.Count("USER"); n != 0 {
			t.Errorf("%d logins at a server that is not trusted", n)
		}
	}
	l.wantCount(want)
	if strings.Contains(strings.Join(c.conf, " "), "legacy") {
		l.want(l.run("check"), 0, "legacy: true allows")
	}
}

// deliver is connect for the server of a target.
func (c tlsCase) deliver(t *testing.T, security pop3test.Security, ca *pop3test.CA) {
	conf := &tls.Config{Certificates: []tls.Certificate{*c.o.Certificate}, ClientAuth: c.o.ClientAuth, ClientCAs: ca.CertPool()}
	if c.o.TLS != nil {
		c.o.TLS(conf)
	}
	p := &imapProxy{}
	addr := p.startServer(t, conf, security == pop3test.ImplicitTLS, imap.CapLiteralPlus)
	_, port, _ := net.SplitHostPort(addr)
	word := map[pop3test.Security]string{pop3test.ImplicitTLS: "implicit", pop3test.STLS: "starttls"}[security]
	keys := append([]string{"server: localhost:" + port, "tls: " + word, "user: alice", "password: " + password}, c.conf...)
	drop, plain := dropOf(letters(5)), pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, plain), plain), "user: alice", "password: "+password,
		"deliver:\n  - imap: {"+strings.Join(keys, ", ")+"}"))))
	exit := c.exit
	if exit == 69 { // the mail waits until the way is there
		exit = 75
	}
	out := l.run("fetch")
	l.want(out, exit)
	text := strings.Join(strings.Fields(out.out+out.err), " ")
	for _, says := range c.says {
		if says = strings.Replace(says, "with ca_file, or", "with ca_file of the target, or", 1); !strings.Contains(text, says) {
			t.Errorf("does not say %q: %v", says, out)
		}
	}
	if n := len(p.kept(t)); n != map[bool]int{true: 5, false: 0}[c.exit == 0] {
		t.Errorf("%d messages in the mailbox", n)
	}
}
