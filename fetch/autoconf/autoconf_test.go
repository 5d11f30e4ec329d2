package autoconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const settings = `<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.org">
  <domain>example.org</domain><displayName>Example &#x202e;Mail</displayName>
  <incomingServer type="imap"><hostname>imap.example.org</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
  <incomingServer type="pop3"><hostname>pop.example.org</hostname><port>110</port><socketType>STARTTLS</socketType>
  <username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="pop3"><hostname>POP.%EMAILDOMAIN%</hostname><port>995</port><socketType>SSL</socketType>
    <username>%EMAILLOCALPART%</username><authentication>OAuth2</authentication><authentication>password-cleartext</authentication>
    </incomingServer>
  <enable visiturl="https://example.org/settings"><instruction lang="de">Einschalten</instruction>
  <instruction lang="en">Switch POP on</instruction></enable>
  <documentation url="javascript:alert(1)"><descr lang="en">bad</descr></documentation>
</emailProvider>
<oAuth2><issuer>login.example.org</issuer><scope>pop offline</scope><authURL>https://login.example.org/a</authURL>
<tokenURL>https://login.example.org/t</tokenURL></oAuth2>
</clientConfig>`

var alice = person{address: "alice@example.org", local: "alice", domain: "example.org"}

func TestParse(t *testing.T) {
	got, err := parse([]byte(settings), alice)
	if err != nil {
		t.Fatal(err)
	}
	want := &Proposal{Provider: "Example Mail", Host: "pop.example.org", Port: 995, User: "alice", Auth: []Auth{OAuth2, Password},
		OAuth: &OAuth{Issuer: "login.example.org", AuthURL: "https://login.example.org/a",
			TokenURL: "https://login.example.org/t", Scopes: []string{"pop", "offline"}},
		Links: []Link{{Text: "Switch POP on", URL: "https://example.org/settings"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// server is one incomingServer element.
func server(host, port, socket, user string) string {
	return fmt.Sprintf(`<clientConfig><emailProvider><incomingServer type="pop3"><hostname>%s</hostname><port>%s</port>`+
		`<socketType>%s</socketType><username>%s</username></incomingServer></emailProvider></clientConfig>`,
		host, port, socket, user)
}

func TestParseHostile(t *testing.T) {
	for name, data := range map[string]string{
		"html":         "<html><body>404</body></html>",
		"empty":        "",
		"no pop3":      `<clientConfig><emailProvider></emailProvider></clientConfig>`,
		"port 0":       server("pop.example.org", "0", "SSL", "x"),
		"big port":     server("pop.example.org", "99999", "SSL", "x"),
		"host newline": server("pop.example.org\nUSER x", "995", "SSL", "x"),
		"host url":     server("https://evil/", "995", "SSL", "x"),
		"no host":      server("", "995", "SSL", "x"),
		"odd socket":   server("pop.example.org", "995", "none", "x"),
		"deep":         strings.Repeat("<a>", 100000),
	} {
		if p, err := parse([]byte(data), alice); err == nil {
			t.Errorf("%s: accepted: %+v", name, p)
		}
	}
	p, err := parse([]byte(server("pop.example.org", "110", "plain", "a&#10;b")), alice)
	if err != nil || p.TLS != STLS || p.User != alice.address {
		t.Errorf("a plain server and a name with a newline: %+v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(settings))
	f.Add([]byte(server("h", "1", "plain", "%EMAILDOMAIN%")))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data, alice)
		if (p == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if p != nil && (!validHost(p.Host) || p.Port < 1 || p.User == "" || strings.ContainsAny(p.User+p.Provider, "\r\n\x00\x1b")) {
			t.Fatalf("%+v", p)
		}
	})
}

func TestSplit(t *testing.T) {
	for in, want := range map[string]string{
		"alice@Example.ORG.": "alice example.org", "a@b@example.org": "a@b example.org",
		"alice": "", "@example.org": "", "alice@": "", "alice@localhost": "", "al ice@example.org": "",
		"alice@exa mple.org": "", "alice@-x.org": "", "alice@x..org": "", "alice@example.org/../": "", "alice@example.org:80": "",
	} {
		local, domain, ok := Split(in)
		got := ""
		if ok {
			got = local + " " + domain
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// web answers https for every name.
func web(t *testing.T, h http.HandlerFunc) *http.Client {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	client := s.Client()
	tr := client.Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.ServerName = "example.com" // httptest's certificate
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// zone is a resolver that knows a few records.
type zone struct {
	mx  map[string]string
	srv map[string]net.SRV
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if host, ok := z.mx[name]; ok {
		return []*net.MX{{Host: host}}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

func (z zone) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	if r, ok := z.srv[service+" "+name]; ok {
		return "", []*net.SRV{&r}, nil
	}
	return "", nil, &net.DNSError{IsNotFound: true}
}

func TestLookupOrder(t *testing.T) {
	places := []string{
		"autoconfig.example.org/mail/config-v1.1.xml",
		"example.org/.well-known/autoconfig/mail/config-v1.1.xml",
		"autoconfig.thunderbird.net/v1.1/example.org",
		"autoconfig.hoster.example/mail/config-v1.1.xml",
		"hoster.example/.well-known/autoconfig/mail/config-v1.1.xml",
		"autoconfig.thunderbird.net/v1.1/hoster.example",
	}
	for i := range places {
		var asked []string
		c := &Client{
			HTTP: web(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Host+r.URL.String())
				if r.Host+r.URL.Path == places[i] {
					_, _ = io.WriteString(w, settings)
					return
				}
				http.NotFound(w, r)
			}),
			Resolver: zone{mx: map[string]string{"example.org": "mx7.hoster.example."}},
		}
		p, err := c.Lookup(t.Context(), "alice@example.org")
		if err != nil {
			t.Fatalf("%s: %v", places[i], err)
		}
		if diff := cmp.Diff(places[:i+1], asked); diff != "" {
			t.Error(diff)
		}
		if p.Source != "https://"+places[i] || p.Foreign != (i >= 3) {
			t.Errorf("%+v", p)
		}
	}
}

func TestLookupSRV(t *testing.T) {
	nothing := web(t, http.NotFound)
	for _, tt := range []struct {
		name string
		srv  map[string]net.SRV
		want string
	}{
		{"none", nil, "none"},
		{"pop3s", map[string]net.SRV{"pop3s example.org": {Target: "Pop.Example.org.", Port: 995},
			"pop3 example.org": {Target: "x.example.org.", Port: 110}},
			"pop.example.org 995 0 false"},
		{"pop3", map[string]net.SRV{"pop3 example.org": {Target: "pop.example.org.", Port: 110}}, "pop.example.org 110 1 false"},
		{"not offered", map[string]net.SRV{"pop3s example.org": {Target: ".", Port: 0}}, "none"},
		{"foreign", map[string]net.SRV{"pop3s example.org": {Target: "pop.badexample.org.", Port: 995}}, "pop.badexample.org 995 0 true"},
		{"odd", map[string]net.SRV{"pop3s example.org": {Target: "pop\n.example.org.", Port: 995}}, "none"},
	} {
		p, err := (&Client{HTTP: nothing, Resolver: zone{srv: tt.srv}}).Lookup(t.Context(), "alice@example.org")
		got := "none"
		if err == nil {
			got = fmt.Sprint(p.Host, " ", p.Port, " ", p.TLS, " ", p.Foreign)
		} else if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestOnlyBoundedHTTPS(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"leaves https": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.org/", http.StatusFound)
		},
		"endless redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		},
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			for range maxFile / 16 {
				fmt.Fprint(w, "<!-- comment -->")
			}
			_, _ = io.WriteString(w, settings)
		},
	} {
		c := &Client{HTTP: web(t, h), Database: "https://db.example/"}
		if p, err := c.Lookup(t.Context(), "alice@example.org"); err == nil {
			t.Errorf("%s: accepted: %+v", name, p)
		}
	}
	c := &Client{Database: "http://db.example/"}
	if _, err := c.Lookup(t.Context(), "alice@example.org"); err == nil || !strings.Contains(err.Error(), "not by https") {
		t.Error(err)
	}
}

func TestLookupSendsNoName(t *testing.T) {
	c := &Client{HTTP: web(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(fmt.Sprint(r.URL, r.Header), "alice") {
			t.Error("the name was sent:", r.URL)
		}
		http.NotFound(w, r)
	}), Resolver: zone{}}
	_, _ = c.Lookup(t.Context(), "alice@example.org")
}

func TestLookupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &Client{HTTP: web(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }), Resolver: zone{}}
	if _, err := c.Lookup(ctx, "alice@example.org"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestGuess(t *testing.T) {
	greetings := map[string]string{"pop.example.org:995": "* OK IMAP\r\n", "pop3.example.org:995": "",
		"mail.example.org:995": "+OK ready\r\n"}
	var tried []string
	c := &Client{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		tried = append(tried, address)
		if greetings[address] == "" {
			return nil, errors.New("refused")
		}
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_, _ = fmt.Fprint(theirs, greetings[address])
		}()
		return ours, nil
	}}
	p, err := c.Guess(t.Context(), "alice@example.org")
	if err != nil || p.Host != "mail.example.org" || p.Port != 995 || p.User != "alice@example.org" {
		t.Errorf("%+v, %v", p, err)
	}
	if len(tried) != 3 {
		t.Error(tried)
	}
	if _, err := c.Guess(t.Context(), "alice@other.example"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
