package config_test

import (
	"strings"
	"testing"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

func TestFromURL(t *testing.T) {
	for _, tc := range []struct {
		in, server, user, id string
		tls                  pop3.Security
	}{
		{"pop3s://alice%40example.org@Pop.example.org", "pop.example.org:995", "alice@example.org",
			"alice@example.org@pop.example.org", pop3.ImplicitTLS},
		{"pop3://a+b@h:995", "h:995", "a+b", "a+b@h:995", pop3.STLS},
		{"pop3+plain://a@[::1]:1100/", "[::1]:1100", "a", "a@[::1]:1100", pop3.Plain},
		{"pop3s://a%3Ab@h", "h:995", "a:b", "a:b@h", pop3.ImplicitTLS},
	} {
		a, err := FromURL(tc.in, URLOptions{Password: PlainSecret("x")})
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if a.Server.Address() != tc.server || a.User != tc.user || a.ID != tc.id || a.Server.Security != tc.tls ||
			!a.Policy.Keep.All() || a.Password.IsZero() {
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
