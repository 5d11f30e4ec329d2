package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

// usesOf are the logins of a configuration: how each is called and kept, and what for.
func usesOf(c *Config) (list []string) {
	for _, a := range c.Accounts {
		for _, o := range target.Logins(a) {
			list = append(list, fmt.Sprintf("%s: %s %s %v %s", a.Name, o.Login, o.Key, o.Uses, o.Subject))
		}
	}
	return list
}

func TestLogins(t *testing.T) {
	const imap = "deliver: [{imap: {server: i, user: bob, oauth: %s}}]}\n"
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, text, want string }{
		{"shared", "logins: {me: {provider: google, client_id: i}}\naccounts:\n" +
			"  a: {server: h, user: u, oauth: me, " + fmt.Sprintf(imap, "me") +
			"  b: {server: h, user: v, oauth: me, deliver: [{maildir: /m}]}\n",
			"[a: me login:me [imap pop]  b: me login:me [imap pop] ]"},
		{"defaults", "logins: {me: {provider: google, client_id: i}}\ndefaults: {oauth: me}\naccounts:\n" +
			"  a: {server: h, user: u, deliver: [{maildir: /m}]}\n  b: {server: h, user: v, oauth: {provider: yahoo, client_id: " +
			"j}, deliver: [{maildir: /m}]}\n",
			"[a: me login:me [pop]  b: b b [pop] v]"},
		{"block in a target", "accounts:\n  a: {server: h, user: u, password: {env: X}, " +
			fmt.Sprintf(imap, "{provider: google, client_id: i}"),
			"[a: a/imap a/imap [imap] bob]"},
		{"block in a target of all", "defaults: {password: {env: X}, " + fmt.Sprintf(imap, "{provider: google, client_id: i}") +
			"accounts:\n  a: {server: h, user: u}\n  b: {server: h, user: v}\n",
			"[a: defaults/imap defaults/imap [imap] bob b: defaults/imap defaults/imap [imap] bob]"},
		{"disabled", "logins: {me: {provider: google, client_id: i}}\naccounts:\n" +
			"  a: {server: h, user: u, enabled: false, oauth: me, " + fmt.Sprintf(imap, "me") +
			"  b: {server: h, user: v, oauth: me, deliver: [{maildir: /m}]}\n",
			"[a: a/imap login:me [pop imap]  b: me login:me [pop] ]"},
		{"all disabled", "logins: {me: {provider: google, client_id: i}}\ndefaults: {enabled: false}\naccounts:\n" +
			"  a: {server: h, user: u, oauth: me, deliver: [{maildir: /m}]}\n" +
			"  b: {server: h, user: v, password: {env: X}, " + fmt.Sprintf(imap, "me"),
			"[a: me login:me [pop imap]  b: me login:me [pop imap] ]"},
		{"target of all", "logins: {me: {provider: google, client_id: i}}\ndefaults: {password: {env: X}, " + fmt.Sprintf(imap, "me") +
			"accounts:\n  a: {server: h, user: u, enabled: false}\n  b: {server: h, user: v, oauth: me, deliver: [{maildir: /m}]}\n",
			"[a: a/imap login:me [pop imap]  b: me login:me [pop] ]"},
		{"service account, disabled", "logins: {all: {provider: google, flow: service_account, service_account: /k}}\naccounts:\n" +
			"  a: {server: h, user: u, enabled: false, oauth: all, deliver: [{maildir: /m}]}\n" +
			"  b: {server: h, user: v, password: {env: X}, deliver: [{imap: {server: i, user: u, oauth: all}}]}\n",
			"[a: a login:all/u [pop] u b: all login:all/u [imap] u]"},
		{"service account", "logins: {all: {provider: google, flow: service_account, service_account: /k}}\naccounts:\n" +
			"  a: {server: h, user: u, oauth: all, deliver: [{imap: {server: i, user: u, oauth: all}}]}\n" +
			"  b: {server: h, user: v, oauth: all, deliver: [{maildir: /m}]}\n",
			"[a: all login:all/u [imap pop] u b: all login:all/v [pop] v]"},
	} {
		c, err := parse(strings.ReplaceAll(tc.text, "/k}", key+"}"))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if got := fmt.Sprint(usesOf(c)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestBadLogins(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown", "logins: {me: {provider: google, client_id: i}}\n" + account("oauth: mee"),
			`7:12: accounts.work.oauth: logins: has no login of this name (did you mean "me"?)`},
		{"none", account("oauth: me"), "6:12: accounts.work.oauth: logins: has no login of this name"},
		{"same name", "logins: {work: {provider: google, client_id: i}}\n" + account("oauth: {provider: google, client_id: i}"),
			"1:10: logins.work: has the name of an account with a login of its own: give it another name"},
		{"two blocks", "accounts: {work: {server: h, user: u, deliver: [{imap: {server: i, user: a, oauth: &o {provider: google, " +
			"client_id: i}}}, " +
			"{imap: {server: j, user: a, oauth: *o}}]}}",
			"1:158: accounts.work.deliver[1].imap.oauth: is the second login for imap targets of work: give it a name under logins:"},
		{"capital letters", "logins: {me: {provider: google, client_id: i}, Me: {provider: google, client_id: j}}\n" + account("oauth: me"),
			"1:48: logins.Me: differs from logins.me only in capital letters, and some file systems keep the tokens of both in one file: " +
				"give it another name"},
		{"incomplete", "logins: {me: {provider: google}, you: x}\n" + account("oauth: me"),
			"1:14: logins.me: wants client_id (register mailhaul with the provider to get one)\n1:39: logins.you: wants a mapping " +
				"of login keys, not a string"},
		{"password too", "logins: {me: {provider: google, client_id: i}}\naccounts: {work: {server: h, user: u, deliver: [{imap: " +
			"{server: i, " +
			"user: u, oauth: me, password: {env: X}}}]}}",
			"2:84: accounts.work.deliver[0].imap.oauth: conflicts with password: remove one of the two"},
	} {
		if _, err := parse(tc.text); !cmp.Equal(messages(err), tc.want) {
			t.Errorf("%s:\n%s", tc.name, cmp.Diff(tc.want, messages(err)))
		}
	}
}

// TestLoginOfRelay: the client's secret is looked up for the relay, and the password of
// the proxy that a login takes from another account is among the secrets.
func TestLoginOfRelay(t *testing.T) {
	netrc := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(netrc, []byte("machine r login bob password secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETRC", netrc)
	c, err := Parse("c.yaml", []byte("logins: {me: {provider: google, client_id: i}}\naccounts:\n"+
		"  a: {server: h, user: u, oauth: me, proxy: {url: \"http://p:1\", user: u, password: {file: "+netrc+"}}, deliver: [{maildir: /m}]}\n"+
		"  b: {server: h, user: v, oauth: me, deliver: [{smtp: {server: r, to: [x@y], user: bob, oauth: {provider: google, client_id: i, "+
		"client_secret: {netrc: true}}}}]}\n"), Options{Targets: target.Rows().Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	b := c.Accounts[1]
	if secret, err := target.Logins(b)[1].Secret(context.Background()); secret != "secret" {
		t.Errorf("client_secret %q, %v", secret, err)
	}
	if !slices.ContainsFunc(b.Secrets(), func(s Secret) bool { return s.File() == netrc && s.Kind() == SecretFile }) {
		t.Error("the sandbox of b lacks the password of the proxy to the provider of its login")
	}
}

// TestDisabledAccountKeepsItsTargets: a target that the state knows by its login is the
// same one when its account is disabled.
func TestDisabledAccountKeepsItsTargets(t *testing.T) {
	for _, enabled := range []string{"true", "false"} {
		c, err := parse("logins: {me: {provider: google, client_id: i}}\naccounts:\n" +
			"  a: {server: h, user: u, password: {env: X}, enabled: " + enabled + ", deliver: [{gmail: {oauth: me}}]}\n" +
			"  b: {server: h, user: v, oauth: me, deliver: [{maildir: /m}]}\n")
		if err != nil {
			t.Fatal(err)
		}
		if id := c.Accounts[0].Deliver[0].ID(); id != "gmail:me" {
			t.Errorf("enabled %s: %s", enabled, id)
		}
	}
}
