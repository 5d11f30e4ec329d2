package command

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/oauth"
)

// sharedLogin is a lab whose accounts, one for each letter, use the login me.
func sharedLogin(t *testing.T, p *authServer, accounts string, more ...string) *lab {
	t.Helper()
	l := newLab(t)
	var text strings.Builder
	text.WriteString("logins:\n  me:\n    " + strings.ReplaceAll(strings.TrimPrefix(p.oauthLines(more...), "oauth:\n  "), "\n",
		"\n  ") + "\n")
	for i, name := range strings.Split(accounts, "") {
		s, o := p.bearerServer(t, pop3test.Options{Security: pop3test.Plain})
		lines := append(l.to(s, o), "id: "+name, "user: alice", "oauth: me", "deliver:\n  - maildir: "+l.path("Maildir-"+name))
		_, body, _ := strings.Cut(accountYAML(name, lines), "\n")
		if i == 0 {
			text.WriteString("accounts:\n")
		}
		text.WriteString(body)
	}
	l.write("config.yaml", []byte(text.String()))
	return l
}

// TestNamedLogin: one login for several accounts is logged in once, shown with each
// of them, and its tokens are refreshed once, whoever asks.
func TestNamedLogin(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l := sharedLogin(t, p, "abcd")
	l.want(l.child("fetch"), 77, "never logged in", "hint: Run `mailhaul login me`")
	wantOut(t, l.child("status", "a"), "a: needs `mailhaul login me`: never logged in")
	l.want(l.child("check", "--connect", "a"), 77)
	wantOut(t, l.child("--json", "check", "b"), `"login":"me"`, `"needs_login":true`)

	wantOut(t, l.loginTo("me", "--no-browser"), "me: logged in; next: mailhaul check --connect a\n")
	wantOut(t, l.child("token", "me"), "access-SECRET-")
	wantOut(t, l.child("token", "c"), "access-SECRET-")
	wantOut(t, l.child("status", "me"), "\na ", "\nd ", "me: token valid until 20")
	l.want(l.child("fetch"), 0)

	l.age("login%3Ame", 2*time.Hour, -time.Hour)
	l.want(l.child("fetch"), 0)
	if n := p.asked("refresh_token"); n != 1 {
		t.Errorf("%d refreshes by four accounts, want 1", n)
	}
	p.forget() // the server refuses it although it is fresh
	l.want(l.child("fetch"), 0)
	if n := p.asked("refresh_token"); n != 2 {
		t.Errorf("%d refreshes, want one more", n)
	}

	p.refusing("invalid_grant")
	l.age("login%3Ame", 2*time.Hour, -time.Hour)
	l.want(l.child("fetch"), 77, "hint: Run `mailhaul login me`")
	if n := p.asked("refresh_token"); n != 3 {
		t.Errorf("%d requests, want one for four accounts with a revoked login", n)
	}
	wantOut(t, l.loginTo("me", "--no-browser"), "me: logged in")
	p.refusing("invalid_client")
	l.age("login%3Ame", 2*time.Hour, -time.Hour)
	l.want(l.child("fetch", "a"), 78, "invalid_client", "This is the login me. Check client_id and client_secret.")
	wantOut(t, l.child("logout", "me"), "me: ")
	l.want(l.child("login", "mee"), 64, `no account "mee"`, `did you mean "me"?`)
}

// TestNamedLoginInProcesses: several processes at once ask the provider once, which
// takes each refresh token once.
func TestNamedLoginInProcesses(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l := sharedLogin(t, p, "abcdef")
	wantOut(t, l.loginTo("me", "--no-browser"), "me: logged in")
	l.age("login%3Ame", 2*time.Hour, -time.Hour)
	var wg sync.WaitGroup
	for _, names := range []string{"ab", "cd", "ef"} {
		wg.Go(func() { l.want(l.child("fetch", names[:1], names[1:]), 0) })
	}
	wg.Wait()
	if n := p.asked("refresh_token"); n != 1 {
		t.Errorf("%d refreshes by three processes, want 1", n)
	}
}

// TestLoginNamedAsAccount: an account is found also if a login of others has its name.
func TestLoginNamedAsAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("config.yaml", []byte("logins: {one: {provider: google, client_id: i}, two: {provider: google, client_id: i}}\naccounts:\n"+
		"  one: {server: h, user: u, password: {env: X}, deliver: [{maildir: /m}]}\n"+
		"  two: {server: h, user: v, password: {env: X}, deliver: [{maildir: /m}]}\n"+
		"  six: {server: h, user: w, oauth: two, deliver: [{maildir: /m}]}\n"))
	wantOut(t, l.child("status", "one"), "\none ")
	wantOut(t, l.child("check", "two"), "two: ok", "six: ok")
	for _, command := range []string{"check", "status"} {
		var out strings.Builder
		args := []string{"mailhaul", completeWord, "-c", l.path("config.yaml"), command, "six", ""}
		if Main(t.Context(), args, term.Streams{Out: &out, Err: &out}); !strings.Contains(out.String(), "two\tlogin with google\n") {
			t.Errorf("%s: completes to %q", command, &out)
		}
	}
}

// TestExpiryOfTargetsLogin: the metrics have the login that ends first.
func TestExpiryOfTargetsLogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := func(key string, until time.Time) {
		name := oauth.NewStore(filepath.Join(dir, "tokens")).Path(key)
		text := fmt.Sprintf(`{"format":1,"seq":1,"client_id":"i","token_url":"https://h/t","logged_in":%[1]q,"issued":%[1]q,"expiry":%[2]q,`+
			`"refresh_expiry":%[2]q,"tokens":{"access_token":"a","refresh_token":"r"}}`, time.Now().Format(time.RFC3339), until.Format(time.RFC3339))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	keep("login:me", soon)
	keep("a", soon.Add(time.Hour))
	const login = "{provider: custom, client_id: i, scopes: [x], token_url: \"https://h/t\", auth_url: \"https://h/a\"}"
	c, err := config.Parse("c.yaml", []byte("logins: {me: "+login+"}\naccounts: {a: {server: h, user: u, oauth: "+login+
		", deliver: [{imap: {server: i, user: u, oauth: me}}]}}\n"), configOptions())
	if err != nil {
		t.Fatal(err)
	}
	e := &call{builder: account.NewBuilder(slog.New(slog.DiscardHandler), false, nil)}
	e.builder.StateDir = dir
	if token, login := expiries(e.builder, c.Accounts)("a"); !token.Equal(soon) || !login.Equal(soon) {
		t.Errorf("the token ends %v, the login %v, want %v", token, login, soon)
	}
}

// TestLoginOfDisabledAccount: what only a disabled account needs is asked for at a login
// for that account.
func TestLoginOfDisabledAccount(t *testing.T) {
	p := newAuthServer(t)
	l := newLab(t)
	l.write("config.yaml", []byte("logins: {me: {provider: google, client_id: i, auth_url: \""+p.URL+"/auth\", "+
		"token_url: \""+p.URL+"/token\"}}\n"+
		"accounts:\n  on: {server: h, user: u, password: {env: X}, deliver: [{gmail: {user: u, oauth: me}}]}\n"+
		"  off: {server: pop.gmail.com, user: v, enabled: false, oauth: me, deliver: [{maildir: /m}]}\n"))
	for name, want := range map[string]bool{"me": false, "on": false, "off": true} {
		o := l.child("login", name, "--paste")
		if !strings.Contains(o.out, "gmail.insert") == !want || strings.Contains(o.out, "mail.google.com") != want {
			t.Errorf("login %s: wider %v, want %v:\n%s%s", name, !want, want, o.out, o.err)
		}
	}
	wantOut(t, l.child("status", "off"), "off: needs `mailhaul login off`")
}
