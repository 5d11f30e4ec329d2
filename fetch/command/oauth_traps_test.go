package command

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// The traps of Google and Microsoft, with the dialogues that they are known to
// speak. None of it was tried against them from here.

// xoauth2 is the client's answer for user alice.
func xoauth2(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=alice\x01auth=Bearer " + token + "\x01\x01"))
}

// playScript runs commands against an exact dialogue, with a token from the
// environment: there is no other one to be got.
func playScript(t *testing.T, token, script string, args ...string) outcome {
	t.Helper()
	l := newLab(t)
	l.env = []string{"TEST_TOKEN=" + token}
	l.account("server: "+pop3test.ScriptServer(t, script), "tls: none", "auth: xoauth2", "token: {env: TEST_TOKEN}")
	o := l.child(append([]string{"-vv"}, args...)...)
	wantNoSecretIn(t, o.out, o.err)
	wantClean(t, o)
	return o
}

const exchangeHello = `
	S: +OK The Microsoft Exchange POP3 service is ready. [QQBNADAAUABSADEA]
	C: CAPA
	S: +OK
	S: TOP
	S: UIDL
	S: SASL PLAIN XOAUTH2
	S: .
	C: AUTH XOAUTH2
`

// TestExchangeTwoSteps: Exchange Online ends the connection if the token comes
// with the AUTH command, so it never does, whatever its length.
func TestExchangeTwoSteps(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"short-SECRET-token", "long-SECRET-" + strings.Repeat("e", 3000)} {
		o := playScript(t, token, exchangeHello+`
			S: + 
			C: `+xoauth2(token)+`
			S: +OK User successfully authenticated. [TwBLAA==]
			C: CAPA
			S: +OK
			S: TOP
			S: UIDL
			S: .
			C: STAT
			S: +OK 0 0
			C: UIDL
			S: +OK
			S: .
			C: LIST
			S: +OK
			S: .
			C: QUIT
			S: +OK Microsoft Exchange Server POP3 server signing off.
			S! close
		`, "fetch")
		if o.code != 0 {
			t.Errorf("%d characters: %s", len(token), o)
		}
	}
}

// TestExchangeAcceptsAndRefuses: the token is sound but of another user, or the
// application has no permission on the mailbox. AUTH succeeds, and the first
// command fails.
func TestExchangeAcceptsAndRefuses(t *testing.T) {
	t.Parallel()
	const token = "sound-SECRET-token"
	o := playScript(t, token, exchangeHello+`
		S: + 
		C: `+xoauth2(token)+`
		S: +OK User successfully authenticated. [TwBLAA==]
		C: CAPA
		S: +OK
		S: TOP
		S: UIDL
		S: .
		C: STAT
		S: -ERR Command is not valid in this state.
		C! close
	`, "fetch")
	wantErr(t, o, 77, "login accepted, but unusable (xoauth2)", "hint: The token is good, but not for this mailbox")
}

// TestExchangeAcceptsAndRefusesChecked: the same with the built-in OAuth2 and
// with what check makes of it.
func TestExchangeAcceptsAndRefusesChecked(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	stat := pop3test.Fault{On: "STAT", Always: true, Do: pop3test.Err("Command is not valid in this state.")}
	l, _ := oauthLab(t, p, pop3test.Options{TwoStepAuth: true, NoPipelining: true, Mechanisms: []string{"XOAUTH2"},
		Faults: []pop3test.Fault{stat}}, "flow: client_credentials")
	l.want(l.child("fetch"), 77, "login accepted, but unusable (xoauth2)")
	if n := p.asked("client_credentials"); n != 2 {
		t.Errorf("%d tokens, want one and, after the refusal, one more", n)
	}
	o := l.child("check", "--connect")
	if o.code != 77 || !strings.Contains(o.out, "not for this mailbox") || !strings.Contains(o.out, "Add-MailboxPermission") {
		t.Errorf("check: %s", o)
	}
}

// TestExchangeTokenTooLong: Exchange Online refuses tokens over 4096 characters
// without a word about it.
func TestExchangeTokenTooLong(t *testing.T) {
	t.Parallel()
	token := "SECRET" + strings.Repeat("x", 4091)
	o := playScript(t, token, exchangeHello+`
		S: + 
		C: `+xoauth2(token)+`
		S: -ERR Authentication failure: unknown user name or bad password.
		C! close
	`, "fetch")
	wantErr(t, o, 77, "it has 4097 characters, and Exchange Online takes at most 4096", "ask for that of POP alone")

	p := newAuthServer(t)
	p.pad = 5000
	l, _ := oauthLab(t, p, pop3test.Options{TwoStepAuth: true, Mechanisms: []string{"XOAUTH2"},
		Token: func(string, string) bool { return false }}, "flow: client_credentials")
	if o := l.child("check", "--connect"); o.code != 77 || !strings.Contains(o.out, "longer than the 4096 characters") {
		t.Errorf("check: %s", o)
	}
}

// TestGoogleSaysWhyInBase64: Google refuses with JSON in base64, which wants an
// empty answer before -ERR comes.
func TestGoogleSaysWhyInBase64(t *testing.T) {
	t.Parallel()
	const token = "expired-SECRET-token"
	why := base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`))
	o := playScript(t, token, fmt.Sprintf(`
		S: +OK Gpop ready for requests from 192.0.2.1 a1mb1234567lfb
		C: CAPA
		S: +OK Capability list follows
		S: USER
		S: RESP-CODES
		S: EXPIRE 0
		S: LOGIN-DELAY 300
		S: TOP
		S: UIDL
		S: X-GOOGLE-RICO
		S: SASL PLAIN XOAUTH2 OAUTHBEARER
		S: .
		C: AUTH XOAUTH2
		S: + 
		C: %s
		S: + %s
		C:
		S: -ERR [AUTH] Username and password not accepted.
		C! close
	`, xoauth2(token), why), "fetch")
	wantErr(t, o, 77, `token refused, status "400", schemes "Bearer", scope "https://mail.google.com/"`,
		"The token may lack the scope that the server names.")
}

// TestGoogleEndsTestingLogins: after 7 days the refresh token is refused, and
// the hint names the publishing status.
func TestGoogleEndsTestingLogins(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	l := newLab(t)
	s, o := p.bearerServer(t, pop3test.Options{})
	lines := strings.NewReplacer("provider: custom", "provider: google", "\n  scopes: mail", "").Replace(p.oauthLines())
	l.account(append(l.to(s, o), lines)...)
	l.want(l.login("--no-browser"), 0)
	p.forget()
	p.refusing("invalid_grant")
	l.want(l.child("fetch"), 77, "(needs login again)", `after 7 days while the registration is in "Testing" (publish it)`)
	for _, f := range p.grants {
		if f.Get("grant_type") == "refresh_token" && f.Has("scope") {
			t.Error("Google is sent a scope with the refresh, which it refuses")
		}
	}
}

// TestMicrosoftSaysAADSTS: the number says more than the error code.
func TestMicrosoftSaysAADSTS(t *testing.T) {
	t.Parallel()
	for number, hint := range map[string]string{
		"AADSTS7000218": `Set "Allow public client flows" to Yes`,
		"AADSTS700082":  "The login was not used for 90 days",
		"AADSTS53003":   "Blocked by conditional access",
	} {
		t.Run(number, func(t *testing.T) {
			p := newAuthServer(t)
			l := newLab(t)
			s, o := p.bearerServer(t, pop3test.Options{TwoStepAuth: true, Mechanisms: []string{"XOAUTH2"}})
			lines := strings.NewReplacer("provider: custom", "provider: microsoft", "\n  scopes: mail", "").Replace(p.oauthLines())
			l.account(append(l.to(s, o), lines)...)
			l.want(l.login("--no-browser"), 0)
			p.forget()
			p.refusing("invalid_grant")
			p.saying(number + ": words. Trace ID: 00000000-1111-2222-3333-444444444444")
			o2 := l.child("-vv", "fetch")
			if !strings.Contains(o2.err, hint) || o2.code == 0 {
				t.Errorf("want %q: %s", hint, o2)
			}
			wantNoSecretIn(t, o2.err)
		})
	}
}

// wantErr checks the exit code and that stderr holds each of the texts.
func wantErr(t *testing.T, o outcome, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("want exit %d: %s", code, o)
	}
	for _, text := range texts {
		if !strings.Contains(o.err, text) {
			t.Errorf("stderr lacks %q: %s", text, o)
		}
	}
}
