package command

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// dovecot starts a Dovecot with user alice and five letters.
func dovecot(t *testing.T, o pop3test.DovecotOptions) *pop3test.Dovecot {
	t.Helper()
	o.Users = map[string]string{"alice": password}
	d := pop3test.StartDovecot(t, o)
	d.AddMessages("alice", letters(5))
	return d
}

// toDovecot are the lines of an account at d, by name and over TLS or by
// address and in plain.
func (l *lab) toDovecot(d *pop3test.Dovecot, plain bool) []string {
	if plain {
		return []string{"server: " + d.Addr(), "tls: none"}
	}
	return []string{"server: localhost:" + strconv.Itoa(d.TLSPort), "tls: implicit", "ca_file: " + l.write("ca.pem", d.CA.RootPEM())}
}

// allowed is what our side of a traced dialogue may look like.
var allowed = regexp.MustCompile(`^(CAPA|STLS|UTF8|AUTH [A-Z0-9-]+( \*{4})?|\*{4}|\*|USER alice|` +
	`PASS \*{4}|APOP alice \*{4}|STAT|UIDL|LIST|RETR \d+|QUIT)$`)

// wantNoSecret looks at a run with -vv --log-format json: what we sent holds no
// secret, no challenge is shown, and none of the secrets appears anywhere, as
// it is or in base64.
func wantNoSecret(t *testing.T, o outcome, secrets ...string) {
	t.Helper()
	lines := 0
	for _, text := range strings.Split(o.err, "\n") {
		var entry struct{ Msg, From, Line string }
		if json.Unmarshal([]byte(text), &entry) != nil || entry.Msg != "pop3" {
			continue
		}
		lines++
		if entry.From == "C" && !allowed.MatchString(entry.Line) {
			t.Errorf("sent %q", entry.Line)
		}
		if entry.From == "S" && strings.HasPrefix(entry.Line, "+ ") && strings.Trim(entry.Line, "+ *") != "" {
			t.Errorf("received %q", entry.Line)
		}
	}
	if lines < 8 {
		t.Errorf("only %d lines of dialogue: %s", lines, o)
	}
	for _, s := range append(secrets, password, "\x00alice\x00"+password, "alice\x00"+password) {
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(o.err, form) || strings.Contains(o.out, form) {
				t.Errorf("the output holds a secret (%.8s...)", form)
			}
		}
	}
}

// mechanism is one way to log in to the Dovecot of TestDovecotMechanisms.
type mechanism struct {
	auth, secret string // lines of the account
	uses         string // the login that the state then names
	warns        string
	tlsOnly      bool
}

func TestDovecotMechanisms(t *testing.T) {
	t.Parallel()
	ca := pop3test.NewCA()
	d := dovecot(t, pop3test.DovecotOptions{CA: ca, Mechanisms: strings.Fields(
		"plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256 external xoauth2 oauthbearer")})
	certs := newLab(t)
	cert, key, err := pop3test.WritePEM(certs.dir, "alice", ca.Client("alice"))
	if err != nil {
		t.Fatal(err)
	}
	pw := "password: " + password
	jwt := d.MintToken("alice", time.Hour, 2500) // several KB
	token := fmt.Sprintf("token: {command: [cat, %s]}", certs.write("token", []byte(jwt+"\n")))
	clientCert := fmt.Sprintf("client_cert: %s\nclient_key: %s", cert, key)
	var cases []subtest
	for _, m := range []mechanism{
		{auth: "auto", secret: pw, uses: "SCRAM-SHA-256"},
		{auth: "password", secret: pw, uses: "USER"},
		{auth: "plain", secret: pw, uses: "PLAIN"},
		{auth: "login", secret: pw, uses: "LOGIN"},
		{auth: "apop", secret: pw, uses: "APOP", warns: "rests on MD5"},
		{auth: "cram-md5", secret: pw, uses: "CRAM-MD5"},
		{auth: "digest-md5", secret: pw, uses: "DIGEST-MD5", warns: "rests on MD5"},
		{auth: "scram-sha-1", secret: pw, uses: "SCRAM-SHA-1"},
		{auth: "scram-sha-256", secret: pw, uses: "SCRAM-SHA-256"},
		{auth: "xoauth2", secret: token, uses: "XOAUTH2"},
		{auth: "oauthbearer", secret: token, uses: "OAUTHBEARER"},
		{auth: "auto", secret: token, uses: "OAUTHBEARER"},
		{auth: "external", secret: clientCert, uses: "EXTERNAL", tlsOnly: true},
		{auth: "auto", secret: clientCert + "\n" + pw, uses: "SCRAM-SHA-256", tlsOnly: true},
	} {
		for _, plain := range []bool{false, true} {
			if plain && m.tlsOnly {
				continue
			}
			name := fmt.Sprintf("%s/%s/plain=%v", m.auth, strings.Fields(m.secret)[0], plain)
			cases = append(cases, subtest{name, func(t *testing.T) { m.logIn(t, d, plain, jwt) }})
		}
	}
	together(t, cases)
}

func (m mechanism) logIn(t *testing.T, d *pop3test.Dovecot, plain bool, jwt string) {
	l := newLab(t)
	l.account(append(l.toDovecot(d, plain), "auth: "+m.auth, m.secret)...)
	o := l.run("-vv", "--log-format", "json", "fetch")
	l.want(o, 0, m.warns)
	l.wantMail(letters(5))
	if f := l.facts(); f.AuthName != m.uses || f.AuthStrength == 0 {
		t.Errorf("logged in by %s (strength %d), want %s", f.AuthName, f.AuthStrength, m.uses)
	}
	wantNoSecret(t, o, jwt)
	if m.warns == "" && strings.Contains(o.err, "MD5: use another") {
		t.Errorf("a warning without need: %s", o)
	}
}

// TestWrongSecrets: each refused login is exit 77 with a hint, and asked for
// once only.
func TestWrongSecrets(t *testing.T) {
	t.Parallel()
	d := dovecot(t, pop3test.DovecotOptions{Mechanisms: strings.Fields(
		"plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256 xoauth2 oauthbearer")})
	files := newLab(t)
	expired := d.MintToken("alice", -time.Hour, 0)
	stale := fmt.Sprintf("token: {file: %s}", files.write("expired", []byte(expired)))
	var cases []subtest
	for auth, secret := range map[string]string{
		"auto": "password: wr0ng-one", "password": "password: wr0ng-one", "plain": "password: wr0ng-one", "login": "password: wr0ng-one",
		"apop": "password: wr0ng-one", "cram-md5": "password: wr0ng-one", "digest-md5": "password: wr0ng-one",
		"scram-sha-1": "password: wr0ng-one", "scram-sha-256": "password: wr0ng-one", "xoauth2": stale, "oauthbearer": stale,
	} {
		cases = append(cases, subtest{auth, func(t *testing.T) {
			l := newLab(t)
			l.account(append(l.toDovecot(d, false), "auth: "+auth, secret)...)
			o := l.run("-vv", "--log-format", "json", "fetch")
			l.want(o, 77, "lab: login (", "hint: ")
			wantNoSecretLines(t, o, "wr0ng-one", expired)
			l.wantCount(0)
		}})
	}
	together(t, cases)
}

// wantNoSecretLines is wantNoSecret for a session that ended early.
func wantNoSecretLines(t *testing.T, o outcome, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{" " + s, base64.StdEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(strings.ReplaceAll(o.err, "wrong user name", ""), form) {
				t.Errorf("the output holds a secret: %s", o)
			}
		}
	}
}

func TestGSSAPI(t *testing.T) {
	t.Parallel()
	kdc := pop3test.StartKDC(t, "alice", password)
	d := dovecot(t, pop3test.DovecotOptions{Mechanisms: []string{"plain", "gssapi"}, Keytab: kdc.Keytab, Krb5Config: kdc.Config,
		Config: "auth_username_format = %Ln"})
	for name, krb := range map[string]string{
		"ccache": fmt.Sprintf("krb: {config: %s, ccache: %s}", kdc.Config, kdc.CCache),
		"keytab": fmt.Sprintf("krb: {config: %s, keytab: %s, principal: alice, service: pop/localhost}", kdc.Config, kdc.ClientKeytab),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.account(append(l.toDovecot(d, false), "auth: gssapi", krb)...)
			o := l.run("-vv", "--log-format", "json", "fetch")
			l.want(o, 0)
			l.wantMail(letters(5))
			wantNoSecret(t, o)
			if f := l.facts(); f.AuthName != "GSSAPI" {
				t.Errorf("logged in by %s", f.AuthName)
			}
		})
	}
	l := newLab(t)
	l.account(append(l.toDovecot(d, false), "auth: gssapi", fmt.Sprintf("krb: {config: %s, ccache: %s}", kdc.Config, l.path("none")))...)
	l.want(l.run("fetch"), 77, "kerberos")
}

// scramMech is xdg-go/scram's server side, bound to the connection.
type scramMech struct {
	conv *scram.ServerConversation
	last bool
}

func (m *scramMech) User() string { return m.conv.Username() }

func (m *scramMech) Next(response []byte) ([]byte, bool, error) {
	if m.last {
		return nil, true, nil
	}
	if response == nil {
		return []byte{}, false, nil
	}
	challenge, err := m.conv.Step(string(response))
	if err != nil {
		return nil, false, err
	}
	m.last = m.conv.Done()
	return []byte(challenge), false, nil
}

func scramServer(t *testing.T, hash scram.HashGeneratorFcn, plus bool) func(*tls.ConnectionState) pop3test.ServerMech {
	t.Helper()
	c, err := hash.NewClient("alice", password, "")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != "alice" {
			return scram.StoredCredentials{}, errors.New("unknown user")
		}
		return stored, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(state *tls.ConnectionState) pop3test.ServerMech {
		if !plus {
			return &scramMech{conv: server.NewConversation()}
		}
		binding, err := scram.NewTLSExporterBinding(state)
		if err != nil {
			return &scramMech{conv: server.NewConversation()}
		}
		return &scramMech{conv: server.NewConversationWithChannelBindingRequired(binding)}
	}
}

// TestPlus logs in by the -PLUS forms, which Debian's Dovecot does not have.
func TestPlus(t *testing.T) {
	t.Parallel()
	mechs := map[string]func(*tls.ConnectionState) pop3test.ServerMech{
		"SCRAM-SHA-1": scramServer(t, scram.SHA1, false), "SCRAM-SHA-1-PLUS": scramServer(t, scram.SHA1, true),
		"SCRAM-SHA-256": scramServer(t, scram.SHA256, false), "SCRAM-SHA-256-PLUS": scramServer(t, scram.SHA256, true),
	}
	for _, tt := range []struct {
		auth, uses string
		offer      []string
		max        uint16
	}{
		{"auto", "SCRAM-SHA-256-PLUS", []string{"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"},
			tls.VersionTLS13},
		{"auto", "SCRAM-SHA-256-PLUS", []string{"SCRAM-SHA-256-PLUS"}, tls.VersionTLS12},
		{"auto", "SCRAM-SHA-1-PLUS", []string{"SCRAM-SHA-1-PLUS", "PLAIN"}, tls.VersionTLS13},
		{"auto", "SCRAM-SHA-256", []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"}, tls.VersionTLS13},
		{"scram-sha-1", "SCRAM-SHA-1", []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"}, tls.VersionTLS13},
		{"scram-sha-1-plus", "SCRAM-SHA-1-PLUS", []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"}, tls.VersionTLS13},
		{"scram-sha-256-plus", "SCRAM-SHA-256-PLUS", []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, tls.VersionTLS12},
		{"scram-sha-256", "SCRAM-SHA-256", []string{"SCRAM-SHA-256"}, tls.VersionTLS13},
	} {
		t.Run(tt.auth+"/"+strings.Join(tt.offer, "+")+fmt.Sprintf("/%x", tt.max), func(t *testing.T) {
			l := newLab(t)
			o := pop3test.Options{Mechanisms: tt.offer, SASL: mechs, NoUSER: true, TLS: func(c *tls.Config) { c.MaxVersion = tt.max }}
			s := serve(t, dropOf(letters(5)), o)
			l.account(append(l.to(s, o), secret, "auth: "+tt.auth)...)
			out := l.run("-vv", "--log-format", "json", "fetch")
			l.want(out, 0)
			l.wantMail(letters(5))
			wantNoSecret(t, out)
			if f := l.facts(); f.AuthName != tt.uses {
				t.Errorf("logged in by %s, want %s", f.AuthName, tt.uses)
			}
			l.account(append(l.to(s, o), "password: wrong-one", "auth: "+tt.auth)...)
			l.want(l.run("fetch"), 77, "hint: ")
		})
	}
}

// TestDowngrade: a server that all at once offers less than before is reported.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	drop := dropOf(letters(5))
	strong := pop3test.Options{Mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}, NoUSER: true,
		SASL: map[string]func(*tls.ConnectionState) pop3test.ServerMech{"SCRAM-SHA-256": scramServer(t, scram.SHA256, false)}}
	l.account(append(l.to(serve(t, drop, strong), strong), secret)...)
	o := l.run("fetch")
	l.want(o, 0)
	if strings.Contains(o.err, "weaker") {
		t.Errorf("the first login is no downgrade: %s", o)
	}
	weak := pop3test.Options{Mechanisms: []string{"PLAIN"}}
	l.account(append(l.to(serve(t, drop, weak), weak), secret)...)
	l.want(l.run("fetch"), 0, "weaker login than before: PLAIN instead of SCRAM-SHA-256")
	if o := l.run("fetch"); strings.Contains(o.err, "weaker") {
		t.Errorf("told again: %s", o)
	}
}

func TestAutoWithoutTLS(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, dropOf(letters(5)), o)
	_, port, _ := strings.Cut(s.Addr(), ":")
	// The name of another machine, reached by way of this one.
	remote := []string{"server: mail.example.org:" + port, "tls: none", "proxy: http://" + connectProxy(t, s.Addr()), secret}
	l := newLab(t)
	l.account(remote...)
	l.want(l.run("fetch"), 78, "insecure")
	l.account(append(remote, "insecure: true")...)
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
	if got := s.Count("AUTH PLAIN"); got != 1 {
		t.Errorf("%d logins", got)
	}
}

// TestTokenLengths: a token may be long, and one that Exchange Online would not
// take is diagnosed if it is refused.
func TestTokenLengths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		length int
		right  bool
		says   string
	}{{3000, true, ""}, {20_000, true, ""}, {3000, false, "token refused"},
		{4097, false, "it has 4097 characters, and Exchange Online takes at most 4096"}} {
		for _, mech := range []string{"XOAUTH2", "OAUTHBEARER"} {
			t.Run(fmt.Sprintf("%s/%d/%v", mech, tt.length, tt.right), func(t *testing.T) {
				l := newLab(t)
				token := strings.Repeat("t", tt.length)
				o := pop3test.Options{Mechanisms: []string{mech}, NoUSER: true, TwoStepAuth: mech == "XOAUTH2",
					Token: func(_, got string) bool { return tt.right && got == token }}
				s := serve(t, dropOf(letters(5)), o)
				l.account(append(l.to(s, o), fmt.Sprintf("token: {command: [cat, %s]}", l.write("token", []byte(token))))...)
				code := 77
				if tt.right {
					code = 0
				}
				out := l.run("-vv", "fetch")
				l.want(out, code, tt.says)
				if strings.Contains(out.err, "tttttttt") || strings.Contains(out.err, "dHR0dHR0") {
					t.Error("the token is in the log")
				}
			})
		}
	}
}
