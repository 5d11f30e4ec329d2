//go:build unix

package command

import (
	"os"
	"testing"
	"time"
)

const gmailScopes = "https://www.googleapis.com/auth/gmail.insert https://www.googleapis.com/auth/gmail.labels " +
	"https://www.googleapis.com/auth/gmail.readonly"

// googleLab is a Gmail target that uses the login me, which has these keys.
func googleLab(t *testing.T, p *authServer, keys string) *lab {
	t.Helper()
	l, s := gmailLab(t, dropOf(gmailLetters(2)), ", oauth: me")
	s.Token = "" // any one
	text, err := os.ReadFile(l.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l.write("config.yaml", append([]byte("logins: {me: {provider: google, auth_url: \""+p.URL+"/auth\", token_url: \""+p.URL+"/token\", "+keys+
		"}}\n"), text...))
	return l
}

// TestGmailServiceAccount: a service account signs for the user of the target, with the
// scopes of Gmail's API alone; without the delegation the hint has these scopes.
func TestGmailServiceAccount(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l := googleLab(t, p, "flow: service_account, service_account: "+serviceKey(t, p))
	l.says(l.run("check", "--connect"), 0, "mailbox of me@example.org")
	l.says(l.run("fetch"), 0, "2 messages fetched")
	want := claims{"robot@example.org", "me@example.org", p.URL + "/token", gmailScopes}
	if got := claimsOf(t, p.grants[0].Get("assertion")); got != want || len(p.grants) != 1 {
		t.Errorf("%d grants, the first with %+v, want %+v", len(p.grants), got, want)
	}
	l.want(l.run("verify"), 0)

	p.refusing("unauthorized_client")
	l = googleLab(t, p, "flow: service_account, service_account: "+serviceKey(t, p))
	l.want(l.run("fetch"), 78, "unauthorized_client", "domain-wide delegation", "for its scopes: "+gmailScopes+".", "This is the login me.",
		"This is the mailbox that the mail goes to")
}

// TestAdvancedProtection: Google lets no client in that it does not know, at the login
// or later (policy_enforced).
func TestAdvancedProtection(t *testing.T) {
	p := newAuthServer(t)
	t.Setenv("TEST_CLIENT", clientSecret)
	p.scope = gmailScopes
	l := googleLab(t, p, "client_id: client-1, client_secret: {env: TEST_CLIENT}")
	p.deny = "policy_enforced"
	l.want(l.loginTo("me", "--no-browser"), 77, "policy_enforced", "Advanced Protection")
	p.deny = ""
	wantOut(t, l.loginTo("me", "--no-browser"), "me: logged in")
	l.says(l.run("fetch", "--limit", "1"), 0, "1 message fetched")
	l.age("login%3Ame", 2*time.Hour, -time.Hour)
	p.refusing("policy_enforced")
	l.want(l.run("fetch"), 77, "policy_enforced", "This is the login me.", "Advanced Protection", "administrator can allow this client_id")
}
