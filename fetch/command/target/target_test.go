package target

import (
	"crypto/tls"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/deliver/jmap"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// TestKeys sets each key of each target.
func TestKeys(t *testing.T) {
	conf, err := config.Parse("/etc/m.yaml", []byte(`
accounts:
  a:
    server: h
    user: u
    to: {header: To}
    deliver:
      - mbox: {path: x, format: mboxo, lock_timeout: 5s}
      - maildir: {path: y}
      - smtp: {server: relay.example, from: f@x, user: u, password: {env: P}, helo: me, server_name: n, timeout: 9s}
      - pipe: {command: [p], timeout: 1s, line_ends: crlf, env: [A=b]}
      - imap: {server: imap.example.org, tls: starttls, user: bob, auth: plain, password: {env: P}, mailbox: Archive/Ärger, seen: true,
          keywords: $Moved, connections: 4, timeout: 9s, min_version: "1.3", bind: 127.0.0.2, proxy: "socks5://proxy:1080"}
`), config.Options{Targets: Rows().Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	list := Of(conf.Accounts[0])
	box, dir, r, p := list[0].(*mboxTarget), list[1].(*maildirTarget), list[2].(*relay), list[3].(*pipeTarget)
	m := list[4].(*imapTarget)
	for what, ok := range map[string]bool{
		"mbox":    box.Options == mbox.Options{Path: "/etc/x", Format: mbox.MBOXO, LockTimeout: 5 * time.Second},
		"maildir": dir.path == "/etc/y",
		"smtp": r.o.Security == smtp.StartTLS && r.o.From == "f@x" && r.remote.User == "u" &&
			r.remote.Password.Source() == "env P" && r.o.Helo == "me" &&
			r.o.Host == "n" && r.o.Timeout == 9*time.Second && r.server.Port == 25,
		"imap": m.ID() == "imap:bob@imap.example.org/Archive/Ärger" && m.remote.Server.Port == 143 &&
			m.remote.Server.Security == pop3.STLS &&
			m.remote.Auth == sasl.Plain && m.remote.Password.Source() == "env P" && m.o.Seen &&
			slices.Equal(m.o.Keywords, []string{"$Moved"}) &&
			m.o.Connections == 4 && m.remote.Server.Idle == 9*time.Second && m.remote.TLS.MinVersion == tls.VersionTLS13 &&
			m.remote.Route.Bind.String() == "127.0.0.2" && m.remote.Route.Proxy.Server.Host == "proxy",
		"pipe": p.LineEnds == pipe.CRLF && p.Env[0] == "A=b" && p.Timeout == time.Second,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, conf.Accounts[0].Deliver)
		}
	}
}

func TestParse(t *testing.T) {
	wd, err := filepath.Abs("x")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"maildir:/m/":                        "maildir:/m",
		"maildir:x":                          "maildir:" + wd,
		"mbox:/m":                            "mbox:/m",
		"smtp://localhost?rcpt=a%40b&rcpt=c": "smtp:localhost:25 to a@b,c",
		"smtp://h:2525?rcpt=a+x@b":           "smtp:h:2525 to a+x@b",
		"smtp://h?rcpt=a&tls=implicit":       "smtp:h:465 to a",
		"lmtp://localhost:24?rcpt=a":         "lmtp:localhost:24 to a",
		"lmtp:/run/l?rcpt=a":                 "lmtp:/run/l to a",
		"imaps://bob%40example.org@h":        "imap:bob@example.org@h/INBOX",
		"imaps://b@H:9933/inbox":             "imap:b@h:9933/INBOX",
		"imap://b@h/Old%20mail/%C3%84":       "imap:b@h/Old mail/Ä",
		"imap+plain://b@localhost:1143/A":    "imap:b@localhost:1143/A",
		"pipe:/bin/x -d 'a b' \"\"":          `pipe:/bin/x -d "a b" ""`,
	} {
		got, err := Rows().Parse(in, config.URLOptions{})
		if err != nil || got.ID() != want {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if r, ok := got.(*relay); ok && r.server.Local() != (r.o.Security == smtp.NoTLS) {
			t.Errorf("%s: tls %v", in, r.o.Security)
		}
	}
	for in, want := range map[string]string{
		"/m":                             "wants KIND:WHERE",
		"mailder:/m":                     `did you mean "maildir"`,
		"smtp://h":                       "names no recipient",
		"smtp:h?rcpt=a":                  "wants smtp://HOST:PORT?rcpt=ADDR",
		"smtp://u:hunter2@h?rcpt=a":      "a login does not belong",
		"smtp://h?rpct=a":                `did you mean "rcpt"`,
		"smtp://h?rcpt=a%0d%0aDATA":      "rcpt: is not an address",
		"smtp://h?rcpt=a&tls=none":       "anyone on the way",
		"smtp://h?rcpt=a&tls=ssl":        "tls: wants one of",
		"lmtp://localhost?rcpt=a":        "LMTP has no port",
		"lmtp://localhost:25?rcpt=a":     "port 25",
		"pipe:":                          "wants KIND:WHERE",
		"pipe:'x":                        "a quote is not closed",
		"smtp://h?rcpt=a&from=b%20c":     "from: is not an address",
		"smtp://localhost:25/x?rcpt=a":   "wants smtp://",
		"imaps://h/INBOX":                "names no user",
		"imaps://bob:hunter2@h/INBOX":    "--to-password-command or MAILHAUL_TO_PASSWORD",
		"imaps:bob@h/INBOX":              "wants imaps://USER@HOST",
		"imap+plain://bob@h/INBOX":       "--insecure allows it",
		"imaps://bob@h/a%zz":             "not well encoded",
		"imaps://bob@h/a?b":              "not well encoded",
		"imaps://bob@h/a%0d%0aDELETE":    "control character",
		"imaps://bob@h/a//b":             "level without a name",
		"imapz://bob@h/INBOX":            `did you mean "imaps"`,
		"smtp://hunter2 %zz@h/?rcpt=%zz": "wants smtp://",
	} {
		if _, err := Rows().Parse(in, config.URLOptions{}); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

// TestBadIMAP: what cannot work is said before anything is fetched.
func TestBadIMAP(t *testing.T) {
	for keys, want := range map[string]string{
		"server: h":                         "wants user",
		"user: u":                           "wants server",
		"server: h, user: u, tls: none":     "anyone on the way",
		"server: h, user: u, tls: stls":     `did you mean "starttls"`,
		"server: h, user: u, auth: xoauth2": "needs oauth: or token:",
		"server: h, user: u, auth: apop":    "wants one of auto, plain",
		"server: h, user: u, password: {env: P}, token: {env: T}": "conflicts with password",
		"server: h, user: u, tunnel: [nc], proxy: 'http://p'":     "conflicts with proxy",
		"server: h, user: u, mailbox: 'a//b'":                     "level without a name",
		"server: h, user: u, keywords: ['\\Seen']":                "is not a keyword",
		"server: h, user: u, keywords: [a, 'b c']":                "is not a keyword",
		"server: h, user: u, keywords: ['bad]key']":               "without ( ) { ]",
		"server: h, user: u, ca_file: none.pem":                   "no such file",
		"server: h, user: u, password: {file: none}":              "no such file",
		"server: h, user: u, client_key: none.pem":                "has no use without client_cert",
		"server: localhost, user: u, tls: none, pin: x":           "wants sha256/",
		"server: localhost, user: u, tls: none, legacy: true":     "has no use with tls: none",
	} {
		text := "accounts: {a: {server: p, user: u, deliver: [{imap: {" + keys + "}}]}}"
		_, err := config.Parse("/etc/m.yaml", []byte(text), config.Options{Targets: Rows().Kinds()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
	}
}

// TestOrigin: URLs begin as the server itself writes them: what has another host gets no
// login.
func TestOrigin(t *testing.T) {
	for want, server := range map[string]pop3.Server{
		"https://gmail.googleapis.com":  {Host: "gmail.googleapis.com", Port: 443},
		"https://mail.example.org:8443": {Host: "mail.example.org", Port: 8443},
		"http://localhost:443":          {Host: "localhost", Port: 443, Security: pop3.Plain},
		"http://[::1]":                  {Host: "::1", Port: 80, Security: pop3.Plain},
		"https://[::1]:8443":            {Host: "::1", Port: 8443},
	} {
		if got := origin(&config.Remote{Server: server}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestDedupeHasNoUse: an account that looks for duplicates in vain is refused, unless it
// only inherits that.
func TestDedupeHasNoUse(t *testing.T) {
	const account = "accounts:\n  a:\n    server: h\n    user: u\n"
	for text, refused := range map[string]bool{
		account + "    dedupe: content\n    deliver: [{gmail: {token: {env: T}}}]\n":               true,
		account + "    dedupe: content\n    deliver: [{jmap: {server: h, token: {env: T}}}]\n":     true,
		account + "    dedupe: \"off\"\n    deliver: [{gmail: {token: {env: T}}}]\n":               false,
		account + "    dedupe: content\n    deliver: [{gmail: {token: {env: T}}}, {maildir: x}]\n": false,
		account + "    dedupe: content\n    deliver: [{mbox: x}]\n":                                false, // as ever
		"defaults: {dedupe: content}\n" + account + "    deliver: [{gmail: {token: {env: T}}}]\n":  false,
	} {
		_, err := config.Parse("/etc/m.yaml", []byte(text), config.Options{Targets: Rows().Kinds()})
		const want = "accounts.a.dedupe: has no use: "
		if (err != nil) != refused || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s%v", text, err)
		}
	}
}

// Mailboxes on servers that many messages are read from in few round trips.
var _ = []proof.Distant{(*imap.Reader)(nil), (*jmap.Reader)(nil)}
