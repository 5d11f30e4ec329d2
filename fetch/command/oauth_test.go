package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// transcript is all that several commands printed. Nothing in it may hold a
// secret.
type transcript []outcome

func (tr *transcript) add(o outcome) outcome {
	*tr = append(*tr, o)
	return o
}

// wantNoSecretIn searches for the word that each secret of the tests holds, as
// it is and in the three forms that it may have within base64: all characters
// that it alone makes, as a few could be anywhere in a random text.
func wantNoSecretIn(t *testing.T, texts ...string) {
	t.Helper()
	const word = "-SECRET"
	marks := []string{"SECRET"}
	for pad := range 3 {
		coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", pad) + word))
		marks = append(marks, coded[(8*pad+5)/6:8*(pad+len(word))/6])
	}
	for _, text := range texts {
		for _, m := range marks {
			if i := strings.Index(text, m); i >= 0 {
				t.Errorf("a secret (%s) is shown: %q", m, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}

func (tr transcript) wantNoSecret(t *testing.T) {
	t.Helper()
	for _, o := range tr {
		wantNoSecretIn(t, o.out, o.err)
	}
}

// TestOAuthFromLoginToLogout is the life of an account, with each command's
// whole output at -vv searched for secrets at the end.
func TestOAuthFromLoginToLogout(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{})
	var tr transcript
	say := func(args ...string) outcome { return tr.add(l.child(append([]string{"-vv"}, args...)...)) }

	l.want(say("fetch"), 77, "never logged in", "hint: Run `mailhaul login lab`")
	l.want(say("token", "lab"), 77, "hint: Run `mailhaul login lab`")
	wantOut(t, say("status"), "lab: needs `mailhaul login lab`: never logged in")
	wantOut(t, say("check"), "lab: ok: ", "lab: needs `mailhaul login lab`")
	l.want(say("check", "--connect"), 77)
	if n := p.asked("refresh_token"); n != 0 {
		t.Errorf("the provider was asked %d times without a login", n)
	}

	o := tr.add(l.login("--no-browser"))
	l.want(o, 0)
	wantOut(t, o, "Open this address in a browser", "login_hint=alice", "lab: logged in; next: mailhaul check --connect lab")
	wantModes(t, l.path("state"))

	l.want(say("fetch"), 0, "line=\"AUTH OAUTHBEARER ****\"", "listed")
	l.wantMail(letters(5))
	wantOut(t, say("status"), "lab: token valid until 20", ", refreshed 20", ", scopes mail")
	wantOut(t, say("check"), "lab: token valid until")
	wantOut(t, say("check", "--connect"), "ok    token      valid until", "everything works")
	wantTokenJSON(t, say("--json", "status"), false)
	say("--json", "check")
	if n := p.asked("refresh_token"); n != 0 {
		t.Errorf("a fresh token was refreshed %d times", n)
	}

	p.forget() // each token ends at once: a new one is got in the same run
	l.want(say("fetch"), 0, "trying once more with a new one")
	if n := p.asked("refresh_token"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}

	wantOut(t, say("logout", "lab"), "lab: logged out, and revoked at the provider")
	wantOut(t, say("logout", "lab"), "lab: was not logged in")
	wantOut(t, say("--json", "logout", "lab"), `{"account":"lab","provider_told":false,"was_logged_in":false}`)
	if len(p.revoked) != 1 || !strings.HasPrefix(p.revoked[0], "refresh-") {
		t.Errorf("told to revoke %d tokens, want the refresh token", len(p.revoked))
	}
	l.want(say("fetch"), 77, "hint: Run `mailhaul login lab`")
	wantTokenJSON(t, say("--json", "status"), true)
	tr.wantNoSecret(t)
}

// wantOut checks that a command went well and printed each of the texts.
func wantOut(t *testing.T, o outcome, texts ...string) {
	t.Helper()
	if o.code != 0 {
		t.Errorf("want exit 0: %s", o)
	}
	for _, text := range texts {
		if !strings.Contains(o.out, text) {
			t.Errorf("stdout lacks %q: %s", text, o)
		}
	}
	wantClean(t, o)
}

func wantTokenJSON(t *testing.T, o outcome, needsLogin bool) {
	t.Helper()
	var s struct {
		Token struct {
			Provider, Flow string
			NeedsLogin     bool     `json:"needs_login"`
			ValidUntil     string   `json:"valid_until"`
			Scopes         []string `json:"scopes"`
		}
	}
	if err := json.Unmarshal([]byte(o.out), &s); err != nil {
		t.Fatalf("%v in %s", err, o)
	}
	if k := s.Token; k.NeedsLogin != needsLogin || k.Provider != "custom" || k.Flow != "browser" || !needsLogin &&
		(k.ValidUntil == "" || len(k.Scopes) != 1) {
		t.Errorf("token is %+v", k)
	}
}

// wantModes checks that nobody else can read the tokens.
func wantModes(t *testing.T, state string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(state, "tokens"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		} else {
			files++
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestTokenPrintsOnlyTheToken: another program takes stdout as it is.
func TestTokenPrintsOnlyTheToken(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{})
	l.want(l.login("--no-browser"), 0)
	o := l.child("token", "lab")
	token, one := strings.CutSuffix(o.out, "\n")
	if !one || !p.accepts("", token) || o.err != "" || o.code != 0 {
		t.Errorf("token printed %s", o)
	}
	var v struct{ Account, Access_token, Valid_until string }
	if o := l.child("--json", "token", "lab"); json.Unmarshal([]byte(o.out), &v) != nil || v.Access_token != token ||
		v.Account != "lab" || v.Valid_until == "" {
		t.Errorf("as JSON: %s", o)
	}
}

// TestLoginWays: a person at another machine pastes, or enters a code.
func TestLoginWays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flag string
		says []string
	}{
		{"--paste", []string{"Open this address in a browser", "Paste that address"}},
		{"--device", []string{"open https://example.org/device and enter the code", "ABCD-EFGH", "Waiting until"}},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			p := newAuthServer(t)
			l, _ := oauthLab(t, p, pop3test.Options{})
			o := l.login(tt.flag)
			wantOut(t, o, append(tt.says, "lab: logged in")...)
			wantNoSecretIn(t, o.out, o.err)
			l.want(l.child("fetch"), 0)
			l.wantMail(letters(5))
		})
	}
}

// TestLoginMistakes are those of the person at the command line.
func TestLoginMistakes(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, s := oauthLab(t, p, pop3test.Options{})
	l.want(l.child("login", "lab", "--device", "--paste"), 64, "exclude each other")
	l.want(l.child("login"), 64, "name one account")
	l.want(l.child("login", "other"), 64, `no account "other"`)
	l.account(append(l.to(s, pop3test.Options{}), "token: {env: TEST_CLIENT}")...)
	for _, cmd := range []string{"login", "logout", "token"} {
		l.want(l.child(cmd, "lab"), 78, "lab: no oauth: in the configuration", "docs/oauth.md")
	}
}

// TestRefusedTwiceIsReported: one new token a run, one more login, exit 77.
func TestRefusedTwiceIsReported(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	logins := 0
	l, _ := oauthLab(t, p, pop3test.Options{Token: func(string, string) bool { logins++; return false }})
	l.want(l.login("--no-browser"), 0)
	l.want(l.child("fetch"), 77, "token refused", "the scope is that of POP")
	if n := p.asked("refresh_token"); n != 1 || logins != 2 {
		t.Errorf("%d refreshes and %d logins, want 1 and 2", n, logins)
	}
}

// TestInvalidGrantNeedsLogin: its own message and exit 77, the provider is left
// in peace, status and check say it, and a login heals it.
func TestInvalidGrantNeedsLogin(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, s := oauthLab(t, p, pop3test.Options{})
	l.want(l.login("--no-browser"), 0)
	p.forget()
	p.refusing("invalid_grant")
	l.want(l.child("fetch"), 77, "there is no new one: refresh: invalid_grant",
		"(needs login again) (it was refused with: login (oauthbearer): token refused", "hint: Run `mailhaul login lab`")
	before := s.Connections()
	for range 3 {
		o := l.child("-vv", "fetch")
		l.want(o, 77)
		wantNoSecretIn(t, o.err, o.out)
	}
	if n := p.asked("refresh_token"); n != 1 {
		t.Errorf("the provider was asked %d times, want once", n)
	}
	if n := s.Connections() - before; n > 3 {
		t.Errorf("%d connections for 3 runs", n)
	}
	wantOut(t, l.child("status"), "lab: needs `mailhaul login lab`", "invalid_grant", "(needs login again)")
	wantOut(t, l.child("check"), "lab: needs `mailhaul login lab`")

	p.refusing("")
	l.want(l.login("--no-browser"), 0)
	l.want(l.child("fetch"), 0)
	l.wantMail(letters(5))
}

// TestProviderDown is for later, not for a person.
func TestProviderDown(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{})
	l.want(l.login("--no-browser"), 0)
	p.forget()
	p.refusing("temporarily_unavailable")
	l.want(l.child("token", "lab"), 0) // still good, as far as is known
	l.want(l.child("fetch"), 75, "there is no new one: refresh: temporarily_unavailable", "token refused",
		"hint: The provider of the login is busy or down")
	p.refusing("")
	l.want(l.child("fetch"), 0)
}

// TestFlowsWithoutAPerson need no login; asking for one says so.
func TestFlowsWithoutAPerson(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	key := serviceKey(t, p)
	for _, tt := range []struct {
		flow, line, grant string
	}{
		{"client_credentials", "# none", "client_credentials"},
		{"service_account", "service_account: " + key, "urn:ietf:params:oauth:grant-type:jwt-bearer"},
	} {
		t.Run(tt.flow, func(t *testing.T) {
			l, _ := oauthLab(t, p, pop3test.Options{}, "flow: "+tt.flow, tt.line)
			wantOut(t, l.child("check"), "lab: ok: ")
			l.want(l.child("fetch"), 0)
			l.wantMail(letters(5))
			l.want(l.child("fetch"), 0)
			if n := p.asked(tt.grant); n != 1 {
				t.Errorf("%d tokens for two runs", n)
			}
			o := l.child("login", "lab")
			wantOut(t, o, "lab: flow "+tt.flow+" works, and needs no login")
			wantNoSecretIn(t, o.out, o.err)
		})
	}
	if sub := claimsOf(t, p.grants[len(p.grants)-1].Get("assertion")).Sub; sub != "alice" {
		t.Errorf("the service account acts as %q, want the account's user", sub)
	}
}

func serviceKey(t *testing.T, p *authServer) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(map[string]string{"type": "service_account", "client_email": "robot@example.org", "private_key_id": "1",
		"token_uri": p.URL + "/token", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// claims are those of an assertion; nothing is verified.
type claims struct{ Iss, Sub, Aud, Scope string }

func claimsOf(t *testing.T, jwt string) (c claims) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts in the assertion", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTwoAccountsOneMailbox have logins of their own.
func TestTwoAccountsOneMailbox(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{}, "flow: client_credentials")
	conf, err := os.ReadFile(l.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, account, _ := strings.Cut(string(conf), "  lab:\n")
	second := strings.NewReplacer("id: lab", "id: second", l.path("Maildir"), l.path("Second")).Replace(account)
	l.write("config.yaml", append(conf, []byte("  second:\n"+second)...))
	l.want(l.child("fetch"), 0)
	l.want(l.child("logout", "second"), 0)
	for name, want := range map[string]bool{"lab": true, "second": false} {
		_, err := os.Stat(filepath.Join(l.path("state"), "tokens", name+".json"))
		if (err == nil) != want {
			t.Errorf("tokens of %s: %v", name, err)
		}
	}
}

// TestKeyringMissing: no keyring can be reached here, which is reported.
func TestKeyringMissing(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{}, "flow: client_credentials", "tokens: keyring")
	l.env = []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus"}
	l.want(l.child("login", "lab"), 74, "keyring", "Else use tokens: file")
}

// TestClosedProvider: who cannot register is sent to an app password.
func TestClosedProvider(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l := newLab(t)
	l.account("server: pop.mail.yahoo.com",
		"oauth:\n  provider: yahoo\n  client_id: x\n  token_url: "+p.URL+"/token\n  auth_url: "+p.URL+"/nowhere")
	l.want(l.child("login", "lab", "--paste"), 77, "Yahoo registers no new clients", "https://login.yahoo.com/account/security")
}

// age makes the token of a login one that was issued some time ago, and is valid for
// some more.
func (l *lab) age(name string, since, valid time.Duration) {
	l.t.Helper()
	file := filepath.Join("state", "tokens", name+".json")
	data, err := os.ReadFile(l.path(file))
	var v map[string]any
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	v["issued"], v["expiry"] = time.Now().Add(-since), time.Now().Add(valid)
	if data, err = json.Marshal(v); err != nil {
		l.t.Fatal(err)
	}
	l.write(file, data)
}

// TestCheckExpiredToken: check calls no expired token ok. With --connect it renews
// it, or says why it cannot.
func TestCheckExpiredToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		refuse string
		code   int
		says   string
	}{
		{"", 0, "ok    token      valid until "},
		{"temporarily_unavailable", 75, "FAIL  token      refresh: temporarily_unavailable"},
		{"invalid_grant", 77, "FAIL  token      refresh: invalid_grant"},
		{"invalid_client", 78, "FAIL  token      refresh: invalid_client"},
	} {
		t.Run(tt.refuse, func(t *testing.T) {
			p := newAuthServer(t)
			l, _ := oauthLab(t, p, pop3test.Options{})
			l.want(l.login("--no-browser"), 0)
			l.age("lab", 2*time.Hour, -time.Hour)
			p.refusing(tt.refuse)
			o := l.child("check")
			l.want(o, 0)
			if !strings.Contains(o.out, "the next run renews the token, which ended") {
				t.Errorf("%s", o)
			}
			o = l.child("check", "--connect")
			l.want(o, tt.code)
			if !strings.Contains(o.out, tt.says) || tt.code != 0 && strings.Contains(o.out, "ok    token") {
				t.Errorf("no %q: %s", tt.says, o)
			}
		})
	}
}

// TestRunsRefreshAhead: a run may last, so it begins with a token that is good
// for half an hour; one that is printed is used at once.
func TestRunsRefreshAhead(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l, _ := oauthLab(t, p, pop3test.Options{})
	l.want(l.login("--no-browser"), 0)
	l.age("lab", 40*time.Minute, 20*time.Minute)
	for _, tt := range []struct {
		args      []string
		refreshes int
	}{{[]string{"token", "lab"}, 0}, {[]string{"status"}, 0}, {[]string{"fetch"}, 1}, {[]string{"fetch"}, 1}} {
		l.want(l.child(tt.args...), 0)
		if n := p.asked("refresh_token"); n != tt.refreshes {
			t.Errorf("after %v: %d refreshes, want %d", tt.args, n, tt.refreshes)
		}
	}
}
