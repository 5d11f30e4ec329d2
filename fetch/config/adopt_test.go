package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// adopted reads a configuration whose one source prints text, and returns the names of
// its accounts and what is wrong.
func adopted(t *testing.T, conf, text string, trusted bool) (string, string) {
	t.Helper()
	var said []string
	o := config.Options{Targets: target.Rows().Kinds(), Elsewhere: func(_ *config.Config, adopt func(config.Document) (config.Adopted,
		error)) {
		got, err := adopt(config.Document{Name: "list", Dir: "/", Data: []byte(text), Trusted: trusted})
		if err != nil {
			said = append(said, err.Error())
		}
		for _, e := range got.Rejected {
			said = append(said, e.Error())
		}
	}}
	c, err := config.Parse("c.yaml", []byte("accounts_from: [{command: [x]}]\n"+conf), o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range c.Accounts {
		names = append(names, a.Name)
	}
	return strings.Join(names, " "), strings.Join(said, "\n")
}

func TestAdopt(t *testing.T) {
	const defaults = "defaults: {server: h, password: {env: X}, deliver: [{maildir: /mail}]}\n"
	for _, c := range []struct{ name, text, names, said string }{
		{"list", `[{"name":"a","user":"u"},{"name":"b","user":"v"}]`, "a b", ""},
		{"lines", "{\"name\":\"a\",\"user\":\"u\"}\n{\"user\":\"v\",\"name\":\"b\"}\n", "a b", ""},
		{"mapping", `{"a":{"user":"u"},"b":{"user":"v"}}`, "a b", ""},
		{"section", `{"accounts":[{"name":"a","user":"u"}]}`, "a", ""},
		{"yaml", "accounts:\n  a: {user: u}\n  b: {user: v}\n", "a b", ""},
		{"yaml list", "- name: a\n  user: u\n- {name: b, user: v}\n", "a b", ""},
		{"yaml documents", "a: {user: u}\n---\nb: {user: v}\n", "a b", ""},
		{"yaml anchors", "x-all: &all {timeout: 5s}\naccounts: {a: {<<: *all, user: u}}\n", "a", ""},
		{"number as user", `[{"name":"a","user":12}]`, "a", ""},
		{"null is absent", `[{"name":"a","user":"u","keep":null}]`, "a", ""},
		{"byte order mark", "\ufeff" + `[{"name":"a","user":"u\ud83d\ude00"}]`, "a", ""},
		{"nothing", " \n", "", "has no accounts"},
		{"empty list", "[]", "", "has no accounts"},
		{"empty section", "accounts: {}", "", "has no accounts"},
		{"html", "<!DOCTYPE html><html>", "", "is HTML or XML, not a list of accounts: a page for logging in, or an error page?"},
		{"half", `[{"name":"a","user":"u"},{"na`, "", "is cut off: the JSON ends in the middle (line 1)"},
		{"half a list", `[{"name":"a","user":"u"},`, "", "is cut off: the JSON ends in the middle (line 1)"},
		{"half of yaml", "a: {user: u}\nb: {user: v", "", "list:2:1: is not YAML: did not find expected ',' or '}'"},
		{"more after it", `[{"name":"a","user":"u"}] psql: done`, "",
			`is not JSON (line 1): invalid character 'p' looking for beginning of value`},
		{"bracket", `[{"name":"a","user":"u"}]]`, "", `is not JSON (line 1): "]" is too much`},
		{"text", "permission denied", "", "list:1:1: wants accounts, not a string"},
		{"latin-1", "[{\"name\":\"a\",\"user\":\"\xe4\"}]", "", "is not UTF-8"},
		{"deep", strings.Repeat("[", 9000), "", "is nested too deep (line 1)"},
		{"error object", `{"error":"no"}`, "", "has no usable account\nlist:1:10: accounts.error: wants a mapping of account keys, not a string"},
		{"path as name", `[{"name":"../x","user":"u"},{"name":"b","user":"v"}]`, "b",
			"list:1:10: accounts[0]: \"../x\" is not an account's name: " +
				"it is made of letters, digits and . _ - + @, and starts with a letter or digit"},
		{"path as key", "../x: {user: u}\nb: {user: v}", "b", "list:1:1: accounts: \"../x\" is not an account's name: " +
			"it is made of letters, digits and . _ - + @, and starts with a letter or digit"},
		{"one id", `[{"name":"a","user":"u"},` + "\n" + `{"name":"b","user":"u"},{"name":"c","user":"c"}]`, "a c",
			"list:2:9: accounts.b: is the same mailbox as accounts.a (u@h): " +
				"both would share one list of what was fetched; remove one, or give it an id of its own"},
		{"one name", `[{"name":"a","user":"u"},{"name":"a","user":"v"}]`, "a",
			"list:1:34: accounts.a: is the name of an account in list too: each name may be there once"},
		{"no name", `[{"user":"u"},{"name":"b","user":"v"}]`, "b", "list:1:2: accounts[0]: name is missing"},
		{"no user", `[{"name":"a"},{"name":"b","user":"v"}]`, "b", "list:1:10: accounts.a: user is missing"},
		{"unknown key", `[{"name":"a","user":"u","kep":"all"},{"name":"b","user":"v"}]`, "b",
			`list:1:25: accounts.a.kep: unknown key (did you mean "keep"?)`},
		{"twice", `[{"name":"a","user":"u","user":"w"},{"name":"b","user":"v"}]`, "b",
			"list:1:25: accounts.a.user: is set twice, first at line 1"},
		{"no accounts", "[1, {\"name\":\"b\",\"user\":\"v\"}]", "b", "list:1:2: accounts[0]: wants a mapping of account keys, not a number"},
		{"other section", "accounts: {b: {user: v}}\nstate: /tmp\n", "b", "list:2:1: state: unknown key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			names, said := adopted(t, defaults, c.text, true)
			if names != c.names || said != c.said {
				t.Errorf("accounts %q, want %q\n%s\nwant\n%s", names, c.names, said, c.said)
			}
		})
	}
}

// TestAdoptAmongOthers: the accounts of the file come first, and keep their names and
// mailboxes.
func TestAdoptAmongOthers(t *testing.T) {
	names, said := adopted(t, "defaults: {server: h, deliver: [{maildir: /mail}]}\naccounts: {a: {user: u}}\n",
		`[{"name":"a","user":"x"},{"name":"b","user":"u"},{"name":"c","user":"c"}]`, true)
	if names != "a c" || !strings.Contains(said, "accounts.a: is the name of an account in c.yaml too") ||
		!strings.Contains(said, "accounts.b: is the same mailbox as accounts.a") {
		t.Errorf("%s\n%s", names, said)
	}
}

// TestUntrusted: accounts from a URL bring values only, and get no secrets of others.
func TestUntrusted(t *testing.T) {
	conf := "logins: {corp: {provider: google, client_id: x}}\n" +
		"defaults: {password: {env: X}, client_cert: /dev/null, deliver: [{maildir: /mail}]}\n"
	for i, keys := range []string{
		`"password":{"command":["id"]}`, `"password":{"file":"/etc/shadow"}`, `"password":{"env":"HOME"}`, `"password":{"netrc":true}`,
		`"password":{"keyring":"x"}`, `"password":{"credential":"x"}`, `"before":["id"]`, `"after":["id"]`, `"tunnel":["id"]`,
		`"alert":{"command":["id"]}`, `"ca_file":"/etc/passwd"`, `"client_cert":"/etc/passwd"`, `"deliver":[{"maildir":"/etc/cron.d/x"}]`,
		`"oauth":"corp"`, `"oauth":{"provider":"google","client_id":"x"}`, `"krb":{"keytab":"/etc/krb5.keytab"}`, `"auth":"gssapi"`,
		`"proxy":{"url":"socks5://h:1","user":"u","password":{"file":"/etc/shadow"}}`, `"token":{"env":"HOME"}`, `"auth":"plain"`,
		`"auth":"external"`,
	} {
		text := fmt.Sprintf(`[{"name":"a","server":"h","user":"u",%s},{"name":"b","server":"h","user":"v","password":"p"}]`, keys)
		names, said := adopted(t, conf, text, false)
		if names != "b" || said == "" {
			t.Errorf("%d %s: accounts %q, %s", i, keys, names, said)
		}
	}
	c, err := config.Parse("c.yaml", []byte("accounts_from: [{url: 'https://h/'}]\n"+conf), config.Options{Targets: target.Rows().Kinds(),
		Elsewhere: func(_ *config.Config, adopt func(config.Document) (config.Adopted, error)) {
			_, _ = adopt(config.Document{Name: "list", Data: []byte(`[{"name":"a","server":"h","user":"u"}]`)})
		}})
	if err != nil || len(c.Accounts) != 1 || !c.Accounts[0].Password.IsZero() {
		t.Errorf("an account that is not trusted inherited the password: %v", err)
	}
}

// TestAdoptBounds: mistakes are counted beyond a bound, and a source cannot make work
// without end.
func TestAdoptBounds(t *testing.T) {
	_, said := adopted(t, "", "["+strings.Repeat("1,", 150)+"2]", true)
	if n := strings.Count(said, "\n"); n != 101 || !strings.HasSuffix(said, "and 51 more mistakes") {
		t.Errorf("%d lines: %s", n, said)
	}
	bomb := "x-a: &a {a: 1}\n"
	for c := 'b'; c < 'm'; c++ {
		bomb += fmt.Sprintf("x-%c: &%c {%s}\n", c, c, strings.Repeat(fmt.Sprintf("? {<<: *%c} : 1, ", c-1), 9))
	}
	if names, _ := adopted(t, "", bomb+"accounts: {a: {<<: *l}}\n", true); names != "" {
		t.Errorf("accounts %s", names)
	}
}

// TestAdoptAliases: aliases can neither make a list that has no end nor work that has none.
func TestAdoptAliases(t *testing.T) {
	if names, said := adopted(t, "", "accounts: &a\n  accounts: *a\n", false); names != "" || said == "" {
		t.Errorf("a section of itself: %q, %s", names, said)
	}
	text := "x-0: &m0 {timeout: 5s}\n"
	for i := range 4 {
		text += fmt.Sprintf("x-%d: &m%d {<<: [%s]}\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d, ", i), 3000), ", "))
	}
	conf := "defaults: {server: h, deliver: [{maildir: /mail}]}\n"
	if names, said := adopted(t, conf, text+"accounts: {a: {<<: *m4, user: u}}\n", false); names != "a" {
		t.Errorf("merged often: %q, %s", names, said)
	}
	if names, _ := adopted(t, conf, "accounts: {accounts: {user: u}}\n", false); names != "accounts" {
		t.Errorf("an account of this name: %q", names)
	}
}
