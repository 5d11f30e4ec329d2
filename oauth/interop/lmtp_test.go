package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// accepts asks the provider whether a token is good for a user, as a server does that
// knows nothing of tokens itself.
func (p *provider) accepts(user, token string) bool {
	req, err := http.NewRequest(http.MethodGet, p.url+"userinfo", nil)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var who struct{ Sub string }
	return json.NewDecoder(resp.Body).Decode(&who) == nil && resp.StatusCode == http.StatusOK && who.Sub == user
}

// TestLMTPAndJMAP: an LMTP server (go-smtp with go-sasl: Dovecot's LMTP has no login, and
// Cyrus' has no tokens in Debian) and a JMAP server ask the provider about the tokens of
// one login. It is named where it is missing or was withdrawn; a token that they refuse,
// although it seems to be good, is replaced once for both.
func TestLMTPAndJMAP(t *testing.T) {
	t.Parallel()
	bin, p := buildProgram(t), startProvider(t)
	relay := smtptest.StartRelay(t, true)
	relay.Tokens(p.accepts)
	mail := jmaptest.New()
	mail.Before = func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		if !p.accepts(user, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		r.Header.Set("Authorization", "Bearer "+jmaptest.Token)
		return false
	}
	mail.Start()
	t.Cleanup(mail.Close)
	drop := &pop3test.Maildrop{}
	pop := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, Password: password})
	t.Cleanup(pop.Close)
	h := &home{t: t, bin: bin, dir: t.TempDir(), p: p}
	h.write("password", password)
	h.write("config.yaml", fmt.Sprintf("logins:\n  me:\n    provider: custom\n    auth_url: %[1]sauth\n    token_url: %[1]soauth/token\n"+
		"    revoke_url: %[1]srevoke\n", p.url)+strings.ReplaceAll(person1, "      ", "    ")+fmt.Sprintf(`
accounts:
  work:
    server: %s
    tls: none
    user: alice
    password: {file: %s}
    deliver:
      - lmtp: {server: "%s", tls: none, user: %s, oauth: me, to: alice@example.org}
      - jmap: {server: "%s", tls: none, oauth: me}
`, pop.Addr(), h.path("password"), relay.Addr, user, mail.Listener.Addr()))
	arrived := func(subject string) {
		t.Helper()
		drop.Add("uid-"+subject, []byte("Message-ID: <"+subject+"@example.org>\r\nSubject: "+subject+"\r\n\r\ntext\r\n"))
	}
	want := func(n int) {
		t.Helper()
		if relayed, kept := len(relay.Bodies()), len(mail.Mail("Inbox")); relayed != n || kept != n {
			t.Errorf("%d by LMTP and %d by JMAP, want %d", relayed, kept, n)
		}
	}
	arrived("one")
	h.want(77, []string{"fetch"}, "never logged in", "Run `mailhaul login me`.")
	p.store.live(2 * time.Second)
	h.loginTo("me", "--no-browser")
	ended, _ := h.keptBy("login%3Ame")
	h.want(0, []string{"check", "--connect"}, "OAUTHBEARER", "JMAP account", "everything works")
	p.store.live(time.Hour)
	waitExpired(t, ended)
	h.setExpiry("login%3Ame", 0, time.Hour) // as with a clock that is slow: it seems to be good
	h.want(0, []string{"fetch"}, "1 message fetched")
	want(1)
	if n := p.store.count(); n != 1 {
		t.Errorf("%d refreshes for two targets, want 1", n)
	}
	if err := p.store.TerminateSession(t.Context(), user, native); err != nil {
		t.Fatal(err)
	}
	h.setExpiry("login%3Ame", -2*time.Hour, -time.Hour)
	arrived("two")
	h.want(77, []string{"fetch"}, "invalid_grant", "Run `mailhaul login me`.")
	want(1)
	h.loginTo("me", "--no-browser")
	h.want(0, []string{"fetch"}, "1 message fetched")
	want(2)
	h.want(0, []string{"verify"}, "2 verified")
}
