package config_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

// TestEncodeIsReadAsMeant: whatever a text holds, in a list and as a value.
func TestEncodeIsReadAsMeant(t *testing.T) {
	for _, s := range []string{"alice", "alice@example.org", "~/Mail", "/a b", "true", "No", "123", "1e3", "~", "- x", "a: b", "#x", "it's",
		`back\slash "q"`, "tab\tx", "*x", "ä", "{a}", "=", "0x1f", ".5", "null", "-", "?", "a,b", "12:30", "\u202egnirts",
		"\u0085", "on", "localhost:25"} {
		account := Pair("server", "h").And("user", "x").And("password", Pair("command", []string{"echo", s})).
			And("bind", "127.0.0.1").And("before", []string{"cat", s}).And("deliver",
			[]Map{Pair("pipe", Pair("command", []string{"cat", s}))})
		out := Encode(Pair("accounts", Pair("a", account)), 0)
		conf, err := Parse("x.yaml", out, targets())
		if err != nil {
			t.Errorf("%q: %v\n%s", s, err, out)
			continue
		}
		a := conf.Accounts[0]
		if !a.Password.Equal(CommandSecret([]string{"echo", s})) || a.Before[1] != s {
			t.Errorf("%q is read as another text:\n%s", s, out)
		}
		if i := strings.IndexFunc(string(out), Unprintable); i >= 0 {
			t.Errorf("%q is printed as it is: %q", s, out[i:])
		}
	}
}

func TestEncodeLayout(t *testing.T) {
	m := append(Pair("server", "pop.example.org").And("tls", Word("stls")), Entry{Comment: "no password here"})
	m = append(m, Entry{Key: "keep", Value: Word("all"), Comment: "nothing is deleted"}).And("enabled", false).
		And("deliver", []Map{Pair("maildir", "~/Mail/a"), Pair("smtp", Pair("server", "localhost:25").And("to", []string{"a@b"}))})
	want := `  work:
    server: pop.example.org
    tls: stls
    # no password here
    keep: all # nothing is deleted
    enabled: false
    deliver:
      - maildir: ~/Mail/a
      - smtp: {server: "localhost:25", to: [a@b]}
`
	if got := string(Encode(Pair("work", m), 1)); got != want {
		t.Error(got)
	}
}

func TestEscapePath(t *testing.T) {
	for in, want := range map[string]string{"/home/al/Mail": "~/Mail", "/home/alan/x": "/home/alan/x", "/a$b": "/a$$b",
		"/home/al": "/home/al"} {
		if got := fmt.Sprint(EscapePath(in, "/home/al")); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
