package target

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/fetch/config"
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
`), config.Options{Targets: Rows().Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	list := Of(conf.Accounts[0])
	box, dir, r, p := list[0].(*mboxTarget), list[1].(*maildirTarget), list[2].(*relay), list[3].(*pipeTarget)
	for what, ok := range map[string]bool{
		"mbox":    box.Options == mbox.Options{Path: "/etc/x", Format: mbox.MBOXO, LockTimeout: 5 * time.Second},
		"maildir": dir.path == "/etc/y",
		"smtp": r.o.Security == smtp.StartTLS && r.o.From == "f@x" && r.o.User == "u" && r.password.Source() == "env P" && r.o.Helo == "me" &&
			r.o.Host == "n" && r.o.Timeout == 9*time.Second && r.server.Port == 25,
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
		"pipe:/bin/x -d 'a b' \"\"":          `pipe:/bin/x -d "a b" ""`,
	} {
		got, err := Rows().Parse(in)
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
		"smtp://hunter2 %zz@h/?rcpt=%zz": "wants smtp://",
	} {
		if _, err := Rows().Parse(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}
