//go:build unix

package command

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/gmail/gmailtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const gmailToken = "ya29-SECRET"

// gmailLab is an account whose mail goes to a Gmail mailbox, and that mailbox.
func gmailLab(t *testing.T, drop *pop3test.Maildrop, keys string) (*lab, *gmailtest.Server) {
	t.Helper()
	s := gmailtest.New()
	s.Token = gmailToken
	h := httptest.NewTLSServer(s)
	t.Cleanup(h.Close)
	l := newLab(t)
	ca := l.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	o := pop3test.Options{Security: pop3test.Plain}
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "id: lab", "user: alice", "password: "+password,
		"keep: none", "deliver:\n  - gmail: {server: "+h.Listener.Addr().String()+", ca_file: "+ca+", user: me@example.org"+keys+"}"))))
	return l, s
}

// gmailLetters are messages that Gmail takes, with CRLF line ends.
func gmailLetters(n int) (out [][]byte) {
	for i := range n {
		out = append(out, fmt.Appendf(nil, "From: a@example.org\r\nDate: Mon, 05 Oct 2015 22:33:11 +0000\r\n"+
			"Message-ID: <%d@example.org>\r\nSubject: letter %d\r\n\r\nText %d.\r\n", i, i, i))
	}
	return out
}

// TestGmail delivers, reads back, deletes and reports.
func TestGmail(t *testing.T) {
	t.Parallel()
	drop := dropOf(gmailLetters(7))
	l, s := gmailLab(t, drop, ", token: "+gmailToken+", labels: [INBOX, unread, Altes Postfach/Grüße]")
	l.says(l.run("check", "--connect"), 0,
		"mailbox of me@example.org with 0 messages", "Altes Postfach/Grüße will be created", "at most 240 in a minute")
	l.says(l.run("fetch"), 0, "7 messages fetched")
	if n := len(s.Messages()); n != 7 || drop.Len() != 0 {
		t.Errorf("%d arrived, %d are left", n, drop.Len())
	}
	if m := s.Messages()[0]; strings.Join(m.Labels[:2], " ") != "INBOX UNREAD" || len(m.Labels) != 3 || m.Internal.Year() != 2015 {
		t.Errorf("%+v", m)
	}
	l.want(l.run("verify"), 0)
	if r := l.report(); !r.Safe {
		t.Errorf("the report says no: %+v", r)
	}
	s.Change = func(raw []byte) []byte { return bytes.Replace(raw, []byte("Text"), []byte("text"), 1) }
	drop2 := gmailLetters(8)[7:]
	l2, _ := gmailLab(t, dropOf(drop2), ", token: "+gmailToken)
	l2.says(l2.run("-vv", "fetch"), 0, "POST /upload/gmail/v1/users/me/messages/import")
}

// TestGmailAltered: what Gmail alters counts as altered, and what is gone as missing.
func TestGmailAltered(t *testing.T) {
	t.Parallel()
	l, s := gmailLab(t, dropOf(gmailLetters(3)), ", token: "+gmailToken)
	s.Change = func(raw []byte) []byte { return bytes.Replace(raw, []byte("Text 1"), []byte("text 1"), 1) }
	l.says(l.run("fetch"), 0, "3 messages fetched")
	l.says(l.run("verify"), 65, "1 altered", "2 verified")
}

// TestGmailRefused: each fault ends with its status, says which of the two servers is
// meant and what to do, and deletes nothing.
func TestGmailRefused(t *testing.T) {
	t.Parallel()
	at := func(call string, f gmailtest.Fault) func(*gmailtest.Server) {
		return func(s *gmailtest.Server) {
			s.Fault = func(c string, _ int) *gmailtest.Fault {
				if c == call || call == "" {
					return &f
				}
				return nil
			}
		}
	}
	for name, c := range map[string]struct {
		set  func(*gmailtest.Server)
		keys string
		code int
		says []string
	}{
		"revoked": {func(*gmailtest.Server) {}, ", token: wrong", 77, []string{"no other token than the one that was refused"}},
		"scope": {at("", gmailtest.Fault{Status: 403, Reason: "insufficientPermissions", Message: "Insufficient Permission"}), "", 77,
			[]string{"Insufficient Permission", "gmail.insert, gmail.labels and gmail.readonly"}},
		"policy": {at("", gmailtest.Fault{Status: 403, Reason: "domainPolicy", Message: "Disabled"}), "", 77, []string{"API controls"}},
		"API off": {at("", gmailtest.Fault{Status: 403, Reason: "accessNotConfigured", Message: "x"}), "", 77,
			[]string{"enable it in Google's console"}},
		"daily": {at("", gmailtest.Fault{Status: 403, Reason: "dailyLimitExceeded", Message: "Daily Limit Exceeded"}), "", 75,
			[]string{"limit of today", "a pause of"}},
		"slower": {at("", gmailtest.Fault{Status: 429, Reason: "rateLimitExceeded", RetryAfter: "900"}), "", 75,
			[]string{"a pause of 15m", "no more calls for now"}},
		"label": {at("label", gmailtest.Fault{Status: 400, Reason: "invalidArgument", Message: "Invalid label name"}),
			", labels: Muted", 73,
			[]string{"label Muted", "set other `labels` of the target"}},
		"labels": {func(s *gmailtest.Server) { s.MaxLabels = 9 }, ", labels: One more", 73, []string{"Too many labels", "at most 10,000"}},
		"other":  {at("", gmailtest.Fault{Status: 404, Plain: true}), "", 75, []string{"not Gmail's API"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drop := dropOf(gmailLetters(2))
			if !strings.Contains(c.keys, "token") {
				c.keys += ", token: " + gmailToken
			}
			l, s := gmailLab(t, drop, c.keys)
			c.set(s)
			out := l.run("fetch")
			l.says(out, c.code, append(c.says, "This is the mailbox that the mail goes to, not the one that it comes from.")...)
			if drop.Len() != 2 || len(s.Messages()) != 0 {
				t.Errorf("%d left on the server, %d arrived", drop.Len(), len(s.Messages()))
			}
			if strings.Contains(out.out+out.err, gmailToken) {
				t.Errorf("shows the token: %v", out)
			}
		})
	}
}

// TestGmailQuarantine: what Gmail refuses for good is quarantined with its reason.
func TestGmailQuarantine(t *testing.T) {
	t.Parallel()
	messages := gmailLetters(5)
	messages[1] = bytes.Replace(messages[1], []byte("From: a@example.org"), []byte("From: nobody at all <"), 1)
	messages[2] = append(messages[2], "Content-Disposition: attachment; filename=\"a.exe\"\r\n"...)
	messages[3] = bytes.Replace(messages[3], []byte("From: a@example.org\r\n"), nil, 1)
	drop := dropOf(messages)
	l, s := gmailLab(t, drop, ", token: "+gmailToken)
	out := l.run("fetch")
	l.says(out, 65, "Invalid From header", "quarantine")
	if n := len(s.Messages()); n != 2 || drop.Len() != 3 {
		t.Errorf("%d arrived, %d left", n, drop.Len())
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestGmailLarge: a message of 120 MB goes by a resumable upload that breaks off in the
// middle and goes on there, in 48 MiB of memory.
func TestGmailLarge(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("120 MB")
	}
	const size = 120_000_000
	letter := gmailLetters(1)[0]
	letter = append(letter, bytes.Repeat(
		[]byte("A line of a message that is as long as Gmail takes, and then some more.\r\n"), (size-len(letter))/73)...)
	drop := dropOf([][]byte{letter})
	l, s := gmailLab(t, drop, ", token: "+gmailToken)
	text, err := os.ReadFile(l.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l.write("config.yaml", bytes.Replace(text, []byte("keep: none"), []byte("keep: none\n    max_size: 200MiB"), 1))
	s.Forget = true
	s.Fault = func(call string, n int) *gmailtest.Fault {
		if call == "upload" && n == 1 {
			return &gmailtest.Fault{Cut: size / 2}
		}
		return nil
	}
	o := l.run("fetch")
	l.says(o, 0, "1 message fetched")
	if m := s.Messages(); len(m) != 1 || m[0].Size != int64(len(letter)) || drop.Len() != 0 {
		t.Errorf("%d messages, %d left", len(m), drop.Len())
	}
	if n := s.Resumed(); n < size/2-(1<<20) || s.Calls("session") != 1 {
		t.Errorf("%d octets were not sent again, in %d sessions", n, s.Calls("session"))
	}
	t.Logf("peak RSS %d KiB in %v", o.rss>>10, o.took)
	if !raceDetector && o.rss > 48<<20 {
		t.Errorf("peak RSS %d KiB", o.rss>>10)
	}
}

// TestGmailLogin: a login by name serves the target; one that was taken back ends with
// 77 and is named.
func TestGmailLogin(t *testing.T) {
	t.Parallel()
	p := newAuthServer(t)
	drop := dropOf(gmailLetters(2))
	l, s := gmailLab(t, drop, ", oauth: me-google")
	s.Token = ""
	text, err := os.ReadFile(l.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	logins := "logins:\n  me-google:\n    " + strings.ReplaceAll(strings.TrimPrefix(p.oauthLines(), "oauth:\n  "), "\n", "\n  ") + "\n"
	l.write("config.yaml", append([]byte(logins), text...))
	l.says(l.run("fetch"), 77, "never logged in", "mailhaul login me-google")
	wantOut(t, l.loginTo("me-google", "--no-browser"), "me-google: logged in")
	l.says(l.run("fetch", "--limit", "1"), 0, "1 message fetched")

	l.age("login%3Ame-google", 2*time.Hour, -time.Hour)
	p.refusing("invalid_grant")
	l.says(l.run("fetch"), 77, "invalid_grant", "mailhaul login me-google", "This is the mailbox that the mail goes to")
	if drop.Len() != 1 || len(s.Messages()) != 1 {
		t.Errorf("%d left, %d arrived", drop.Len(), len(s.Messages()))
	}
}
