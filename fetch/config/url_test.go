package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

func TestFromURL(t *testing.T) {
	for _, tc := range []struct {
		in, server, user, id string
		tls                  pop3.Security
	}{
		{"pop3s://alice%40example.org@Pop.example.org", "pop.example.org:995", "alice@example.org", "alice@example.org@pop.example.org", pop3.ImplicitTLS},
		{"pop3://a+b@h:995", "h:995", "a+b", "a+b@h:995", pop3.STLS},
		{"pop3+plain://a@[::1]:1100/", "[::1]:1100", "a", "a@[::1]:1100", pop3.Plain},
		{"pop3s://a%3Ab@h", "h:995", "a:b", "a:b@h", pop3.ImplicitTLS},
	} {
		a, err := FromURL(tc.in, URLOptions{Password: PlainSecret("x")})
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if a.Server.Address() != tc.server || a.User != tc.user || a.ID != tc.id || a.Server.Security != tc.tls || !a.Policy.Keep.All() || a.Password.IsZero() {
			t.Errorf("%s: %+v", tc.in, a)
		}
	}
}

func TestFromURLBad(t *testing.T) {
	for in, want := range map[string]string{
		"h":                     "wants pop3s://USER@HOST",
		"pops://a@h":            `wants pop3s://, pop3:// or pop3+plain:// (did you mean "pop3s"?)`,
		"pop3s://h":             "names no user",
		"pop3s://a:hunter2@h":   "does not belong on the command line",
		"pop3s://a%zz@h":        "not well encoded",
		"pop3s://a%0d%0aDELE@h": "not well encoded",
		"pop3s://a@h:x":         "host: the port must be",
		"pop3s://a@":            "host: is not a host name",
		"pop3s://a@h/x":         "wants nothing after",
		"pop3+plain://a@h":      "anyone on the way",
	} {
		_, err := FromURL(in, URLOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	if _, err := FromURL("pop3+plain://a@h", URLOptions{Insecure: true}); err != nil {
		t.Error(err)
	}
	if _, err := FromURL("pop3s://a@h", URLOptions{CAFile: "/nonexistent"}); err == nil {
		t.Error("a missing CA file was taken")
	}
}

func TestParseTarget(t *testing.T) {
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
		got, err := ParseTarget(in)
		if err != nil || got.ID() != want {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if r := got.Relay; r != nil && r.Server.Local() != (r.TLS == RelayNone) {
			t.Errorf("%s: tls %v", in, r.TLS)
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
		if _, err := ParseTarget(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}
