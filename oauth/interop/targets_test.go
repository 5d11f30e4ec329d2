package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// dovecotIMAP adds IMAP.
const dovecotIMAP = `
protocols = pop3 imap
service imap-login {
 inet_listener imaps {
  address = 127.0.0.1
  port = %d
  ssl = yes
 }
 inet_listener imap {
  port = 0
 }
 client_limit = 1000
}
`

// sharedHome has the accounts a and b, which share the login me with their targets: a
// mailbox and a relay. Auth is the mechanism of all. The mail comes by oauth or by
// password.
func sharedHome(t *testing.T, bin string, p *provider, auth, from string) (*home, *pop3test.Dovecot, *smtptest.Relay) {
	t.Helper()
	ports, err := pop3test.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	sink := smtptest.StartRelay(t, false)
	text := fmt.Sprintf(dovecotIMAP, ports[0]) + realtest.Submission(t, ports[1], sink.Addr)
	if os.Getuid() != 0 {
		text += "service imap-login {\n chroot =\n}\n"
	}
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{user: password},
		Mechanisms: []string{"plain", "xoauth2", "oauthbearer"}, TokenKeys: p.keys(t), Config: text})
	h := &home{t: t, bin: bin, dir: t.TempDir(), p: p}
	h.write("ca.pem", string(d.CA.RootPEM()))
	h.write("password", password)
	account := fmt.Sprintf(`
    server: localhost:%d
    ca_file: CA
    user: %s
    %s
    deliver:
      - imap: {server: "localhost:%d", ca_file: CA, user: %[2]s, auth: %[5]s, oauth: me, mailbox: Moved/NAME}
      - smtp: {server: "localhost:%[6]d", tls: starttls, ca_file: CA, user: %[2]s, auth: %[5]s,
          oauth: me, to: "NAME@example.org", from: s@example.org}
`, d.TLSPort, user, from, ports[0], auth, ports[1])
	text = fmt.Sprintf("logins:\n  me:\n    provider: custom\n    auth_url: %[1]sauth\n    token_url: %[1]soauth/token\n    "+
		"revoke_url: %[1]srevoke\n",
		p.url) + strings.ReplaceAll(person1, "      ", "    ") + "\naccounts:\n"
	for _, name := range []string{"a", "b"} {
		text += "  " + name + ":\n    id: " + name + strings.ReplaceAll(account, "NAME", name)
	}
	h.write("config.yaml", strings.ReplaceAll(text, "CA", h.path("ca.pem")))
	return h, d, sink
}

// wantMoved checks that each message is in both mailboxes, and was sent to both
// recipients, once.
func wantMoved(t *testing.T, d *pop3test.Dovecot, sink *smtptest.Relay, subjects ...string) {
	t.Helper()
	copies := sink.Copies()
	for _, name := range []string{"a", "b"} {
		files, _ := filepath.Glob(filepath.Join(d.Maildir(user), ".Moved."+name, "new", "*"))
		if len(files) != len(subjects) {
			t.Errorf("%d messages in the mailbox of %s, want %d", len(files), name, len(subjects))
		}
		for _, s := range subjects {
			if n := copies[name+"@example.org "+s]; n != 1 {
				t.Errorf("%s of %s: sent %d times", s, name, n)
			}
		}
	}
}

// TestTargets: two accounts, their mailboxes and relays share one login, by each
// mechanism: a token that ends is replaced once for all, also by two processes, and
// a login that was withdrawn is named.
func TestTargets(t *testing.T) {
	bin := buildProgram(t)
	for _, auth := range []string{"xoauth2", "oauthbearer", "auto"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t)
			h, d, sink := sharedHome(t, bin, p, auth, "auth: "+auth+"\n    oauth: me")
			d.AddMessages(user, [][]byte{[]byte("Subject: one\r\n\r\n1\r\n"), []byte("Subject: two\r\n\r\n2\r\n")})
			h.want(77, []string{"fetch"}, "hint: Run `mailhaul login me`.")
			p.store.live(2 * time.Second)
			h.loginTo("me", "--no-browser")
			ended, _ := h.keptBy("login%3Ame")
			p.store.live(time.Hour)
			waitExpired(t, ended)
			var wg sync.WaitGroup
			for _, name := range []string{"a", "b"} {
				wg.Go(func() { h.want(0, []string{"fetch", name}, "2 messages fetched") })
			}
			wg.Wait()
			wantMoved(t, d, sink, "one", "two")
			if n := p.store.count(); n != 1 {
				t.Errorf("%d refreshes by two processes with three servers each, want 1", n)
			}
			h.want(0, []string{"check", "--connect", "me"}, "everything works")
		})
	}
}

// TestTargetRefuses: the mail comes with a password, and only the targets use the login.
// A token that ends in the middle, although it seems to be good, is replaced; the
// message about a login that was withdrawn says which, and that it is of the target.
func TestTargetRefuses(t *testing.T) {
	bin, p := buildProgram(t), startProvider(t)
	h, d, sink := sharedHome(t, bin, p, "auto", "password: {file: PASSWORD}")
	config, _ := os.ReadFile(h.path("config.yaml"))
	h.write("config.yaml", strings.ReplaceAll(string(config), "PASSWORD", h.path("password")))
	d.AddMessages(user, [][]byte{[]byte("Subject: one\r\n\r\n1\r\n")})
	h.want(77, []string{"fetch"}, "This is the mailbox that the mail goes to", "Run `mailhaul login me`.")
	h.want(0, []string{"status", "a"}, "a: needs `mailhaul login me`: never logged in")
	p.store.live(2 * time.Second)
	h.loginTo("me", "--no-browser")
	ended, _ := h.keptBy("login%3Ame")
	p.store.live(time.Hour)
	waitExpired(t, ended)
	h.setExpiry("login%3Ame", 0, time.Hour) // as with a clock that is slow: it seems to be good
	h.want(0, []string{"fetch"}, "refused the token: trying once more with a new one")
	wantMoved(t, d, sink, "one")
	if n := p.store.count(); n != 1 {
		t.Errorf("%d refreshes for two mailboxes and two relays, want 1", n)
	}
	if err := p.store.TerminateSession(t.Context(), user, native); err != nil {
		t.Fatal(err)
	}
	h.setExpiry("login%3Ame", -2*time.Hour, -time.Hour)
	d.AddMessages(user, [][]byte{[]byte("Subject: two\r\n\r\n2\r\n")})
	h.want(77, []string{"fetch"}, "imap localhost:", "invalid_grant", "This is the mailbox that the mail goes to",
		"Run `mailhaul login me`.")
	h.want(77, []string{"token", "a"}, "Run `mailhaul login me`.")
	h.loginTo("me", "--no-browser")
	h.want(0, []string{"fetch"}, "")
	wantMoved(t, d, sink, "one", "two")
	h.want(0, []string{"logout", "me"}, "me: logged out, and revoked at the provider")
}
