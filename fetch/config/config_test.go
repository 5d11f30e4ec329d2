package config_test

import (
	"context"
	"crypto/tls"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
	"github.com/mailhaul/mailhaul/fetch/plan"
)

// example is the configuration of the manual, with the paths of files that
// must exist taken out.
const example = `
state: ~/.local/state/mailhaul
parallel: 4
defaults:
  timeout: 60s
accounts:
  work:
    server: pop.example.org
    tls: implicit
    user: alice@example.org
    auth: auto
    password:
      command: [pass, mail/work]
    oauth:
      provider: google
      client_id: abc
      client_secret: {env: SECRET}
      flow: browser
    keep: all
    deliver:
      - maildir: ~/Mail/work
      - mbox: /var/mail/alice
      - smtp: {server: "localhost:25", to: [alice@localhost], tls: none}
      - lmtp: {server: /run/dovecot/lmtp, to: [alice]}
      - pipe: {command: [/usr/bin/maildrop, -d, alice]}
    every: 5m
    max_size: 100MiB
    limit: {messages: 1000, bytes: 1GiB, bytes_per_day: 1200MiB}
    pipelining: auto
    id: alice-2019
    enabled: true
`

func TestExample(t *testing.T) {
	c, err := parse(example)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts[0]
	if c.State != "/home/al/.local/state/mailhaul" || a.Name != "work" || a.ID != "alice-2019" {
		t.Errorf("state %q, name %q, id %q", c.State, a.Name, a.ID)
	}
	var ids []string
	for _, target := range a.Deliver {
		ids = append(ids, target.ID())
	}
	want := []string{"maildir:/home/al/Mail/work", "mbox:/var/mail/alice", "smtp:localhost:25 to alice@localhost",
		"lmtp:/run/dovecot/lmtp to alice", "pipe:/usr/bin/maildrop -d alice"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	if a.Limits != (plan.Limits{Messages: 1000, Bytes: 1 << 30, BytesPerDay: 1200 << 20}) || a.Policy.MaxSize != 100<<20 ||
		a.Schedule.Every != 5*time.Minute || a.Schedule.Jitter != 30*time.Second {
		t.Errorf("limit %+v, max_size %d, every %v, jitter %v", a.Limits, a.Policy.MaxSize, a.Schedule.Every, a.Schedule.Jitter)
	}
	if a.Server.Address() != "pop.example.org:995" || a.Password.Source() != "command pass" {
		t.Errorf("server %v, password %s", a.Server.Address(), a.Password.Source())
	}
}

func TestDefaultsAndOrder(t *testing.T) {
	c, err := parse(`
x-base: &base {user: alice, deliver: [{maildir: ~/Mail}]}
defaults: {every: 1h, timeout: 10s, proxy: "socks5://h", password: {env: P}}
accounts:
  zeta: {<<: *base, server: "Z.example.org:995", tls: stls, cron: "*/5 * * * *"}
  alpha: {<<: *base, server: a, tunnel: [ssh, a], timeouts: {session: 1h}, keep: {days: 14, newest: 500, below: 1GiB}}
`)
	if err != nil {
		t.Fatal(err)
	}
	z, a := c.Accounts[0], c.Accounts[1]
	if z.Name != "zeta" || z.ID != "alice@z.example.org:995" || z.Schedule.Every != 0 || z.Route.Proxy.Server.String() != "h:1080" {
		t.Errorf("zeta: %+v", z)
	}
	if a.ID != "alice@a" || a.Route.Proxy != nil || a.Schedule.Every != time.Hour ||
		a.Policy.Keep != (plan.Keep{Days: 14, Newest: 500, Below: 1 << 30}) {
		t.Errorf("alpha: %+v", a)
	}
	if s := a.Server; s.Connect != 30*time.Second || s.Idle != 10*time.Second || s.Session != time.Hour {
		t.Errorf("timeouts %+v", a.Server)
	}
}

// TestDocumentedDefaults sets each key to the default that Keys names and
// expects the same account as without it.
func TestDocumentedDefaults(t *testing.T) {
	notValues := []string{"server_name", "ca_file", "client_key", "jitter", "id"} // "the host" and the like
	bare, err := parse(account(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys(targets()) {
		name, of := strings.CutPrefix(k.Path, "accounts.NAME.")
		if !of || strings.ContainsAny(name, ".[") || k.Default == "" || slices.Contains(notValues, name) {
			continue
		}
		c, err := parse(account(name + ": " + k.Default))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(bare.Accounts[0], c.Accounts[0], cmpopts.EquateComparable(netip.Addr{}),
			cmp.Comparer(func(a, b Target) bool { return a.ID() == b.ID() })); diff != "" {
			t.Errorf("%s: %s is not the default\n%s", name, k.Default, diff)
		}
	}
}

func TestTenMistakes(t *testing.T) {
	_, err := parse(`state: $NOWHERE
paralel: 4
defaults:
  timeout: 60
accounts:
  work:
    server: pop.example.org
    server: pop.example.com
    user: alice
    tls: none
    auth: xoauth
    keep: {day: 14}
    max_size: 10M
    password: {file: /nonexistent/pw}
    deliver:
      - maildri: ~/Mail
      - smtp: {server: localhost}
`)
	want := `1:8: state: the variable $NOWHERE is not set (cron and systemd set few): write the path out
2:1: paralel: unknown key (did you mean "parallel"?)
4:12: defaults.timeout: wants a duration such as 90s, 5m, 12h or 14d: it has no unit (did you mean "60s"?)
8:5: accounts.work.server: is set twice, first at line 7
10:10: accounts.work.tls: none to another machine: anyone on the way can read password and mail (insecure: true allows it)
11:11: accounts.work.auth: wants one of auto, password, apop, plain, login, cram-md5, digest-md5, scram-sha-1, scram-sha-1-plus, scram-sha-256, scram-sha-256-plus, xoauth2, oauthbearer, external, gssapi, kpop, not "xoauth" (did you mean "xoauth2"?)
12:12: accounts.work.keep.day: unknown key (did you mean "days"?)
13:15: accounts.work.max_size: M can mean two things: write MB (thousands) or MiB (1024s)
14:22: accounts.work.password.file: /nonexistent/pw: no such file or directory
16:9: accounts.work.deliver[0].maildri: unknown key (did you mean "maildir"?)`
	if diff := cmp.Diff(want, messages(err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNoSecretInErrors(t *testing.T) {
	for _, text := range []string{
		"password: {hunter2}", "password: {file: /x, hunter2: y}", "password: [hunter2]", "password: *hunter2",
		"password:hunter2", "{password:hunter2: 1}", "password: \"hunter2\\n\"", "proxy: 'http://u:hunter2@h'",
		"password: {command: echo hunter2}", "password: {hunter2: 1, hunter2: 2}", "password: !hunter2 x", "password: 'hunter2",
	} {
		_, err := parse(account(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLoadRefusesSharedPlainSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(account("password: hunter2")), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, targets())
	want := path + ":6:15: accounts.work.password: a plain secret in a file that others can read: run chmod 600 " +
		path + ", or name a command or file"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, targets())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Accounts[0].Password.Resolve(context.Background()); got != "hunter2" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := Load("/nonexistent/c.yaml", targets()); err == nil || err.Error() != "/nonexistent/c.yaml: no such file or directory" {
		t.Error(err)
	}
}

func TestLegacyAndVersions(t *testing.T) {
	for keys, want := range map[string]uint16{"legacy: true": tls.VersionTLS10, "min_version: 1.3": tls.VersionTLS13,
		"legacy: true\nmin_version: \"1.1\"": tls.VersionTLS11, "lang: de": tls.VersionTLS12} {
		c, err := parse(account(keys))
		if err != nil || c.Accounts[0].TLS.MinVersion != want {
			t.Errorf("%s: %v, want %#x", keys, err, want)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	c, err := parse(account("max_size: 1\ntunnel: [~/bin/t, ~/x]\nkrb: {keytab: a/$$b, ccache: '${MAIL}/cc'}"))
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts[0]
	if a.Kerberos.Keytab != "/etc/a/$b" || a.Kerberos.CCache != "/var/m/cc" || !reflect.DeepEqual(a.Route.Tunnel,
		[]string{"/home/al/bin/t", "~/x"}) {
		t.Errorf("%+v, %q", a.Kerberos, a.Route.Tunnel)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("a: &x [*x]\naccounts: {<<: *x}")
	f.Add("? [a]\n: {<<: {<<: a}}")
	f.Add(account("password: {netrc: true}\nkeep: {days: 1}\nquiet: 1:00-2:00"))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
	})
}
