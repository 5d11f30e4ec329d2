//go:build unix

package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// relayed is a run that brings one message to a relay that wants a login.
func relayed(t *testing.T, kind, server, to, auth, pw string) (*lab, outcome) {
	t.Helper()
	l := newLab(t)
	o := pop3test.Options{Security: pop3test.Plain}
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, dropOf(letters(1)), o), o), "id: lab", "user: alice",
		"password: "+password,
		fmt.Sprintf("deliver:\n  - %s: {server: %s, user: alice, password: %s, auth: %s, to: %s}", kind, server, pw, auth, to)))))
	return l, l.run("fetch")
}

// TestRelayLogin: mail for a relay that wants a login, Dovecot's submission, by each
// mechanism that it has. A wrong password is the relay's, and no other login follows.
// Dovecot's LMTP has no login at all.
func TestRelayLogin(t *testing.T) {
	t.Parallel()
	sink := smtptest.StartRelay(t, false)
	ports, err := pop3test.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": password}, LMTP: true,
		Mechanisms: strings.Fields("plain login cram-md5 scram-sha-1 scram-sha-256"), Config: realtest.Submission(t, ports[0], sink.Addr)})
	ca, err := d.CA.WriteRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := fmt.Sprintf("\"localhost:%d\", tls: starttls, ca_file: %s", ports[0], ca)
	for _, auth := range []string{"plain", "login", "scram-sha-1", "scram-sha-256", "auto"} {
		l, out := relayed(t, "smtp", server, auth+"@example.org", auth, password)
		l.says(out, 0, "1 message fetched")
		if sink.Copies()[auth+"@example.org number 1"] != 1 {
			t.Errorf("%s: %v", auth, sink.Copies())
		}
	}
	l, out := relayed(t, "smtp", server, "a@example.org", "auto", "wrong")
	l.want(out, 77, "The relay refused user or password")
	l, out = relayed(t, "lmtp", fmt.Sprintf("\"localhost:%d\"", d.LMTPPort), "alice", "auto", password)
	l.want(out, 75, "AUTH: relay offers none of SCRAM-SHA-256", "leave user and password out")

	d.Stop() // all is in its log now
	for text, want := range map[string]int{"method=PLAIN,": 1, "method=LOGIN,": 1, "method=SCRAM-SHA-1,": 1, "method=SCRAM-SHA-256,": 3,
		"auth failed": 1} {
		if n := strings.Count(d.LogText(), text); n != want {
			t.Errorf("%d times %q in Dovecot's log, want %d", n, text, want)
		}
	}
}

// TestCyrusLMTPLogin: Cyrus takes mail by LMTP over TCP only from those who log in.
func TestCyrusLMTPLogin(t *testing.T) {
	t.Parallel()
	addr, kept := realtest.CyrusLMTPLogin(t)
	for i, auth := range []string{"auto", "plain"} {
		l, out := relayed(t, "lmtp", "\""+addr+"\"", "alice", auth, realtest.Password)
		l.says(out, 0, "1 message fetched")
		if n := len(kept()); n != i+2 {
			t.Errorf("%s: %d messages", auth, n)
		}
	}
	l, out := relayed(t, "lmtp", "\""+addr+"\"", "alice", "auto", "wrong")
	l.want(out, 77, "The relay refused user or password")
}
