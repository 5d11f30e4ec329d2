package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/recipient"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestOtherKeys sets what the example of the manual does not.
func TestOtherKeys(t *testing.T) {
	c, err := parse(`
metrics: 127.0.0.1:9110
metrics_file: m.prom
per_host: 1
sandbox: off
log: {format: json, level: debug}
accounts:
  a:
    server: h
    user: u
    server_name: X.example
    pin: [sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]
    bind: "::1"
    proxy: {url: "http://p", user: u, password: {env: P}}
    auth: xoauth2
    oauth: {provider: custom, client_id: i, auth_url: "https://a", token_url: "https://t", revoke_url: "https://r",
      scopes: [x, y], redirect_port: 8400, tokens: keyring}
    lang: de
    utf8: on
    keep: none
    limit: {messages: 3, rate: 1MiB/s}
    to: {header: "Delivered-To:", strip: "p-", occurrence: 2}
    on_reject: keep
    poison: 0
    headers: {received: true}
    dedupe: {by: message-id, action: tag}
    remember: 26w
    quiet: 23:00-06:00
    jitter: 0s
    before: [a]
    after: [b, true]
    alert: {command: [c], webhook: "https://w", after: 2d, ping: "https://p"}
    deliver:
      - mbox: {path: x, format: mboxo, lock_timeout: 5s}
      - maildir: {path: y}
      - smtp: {server: relay.example, from: f@x, user: u, password: {env: P}, helo: me, server_name: n, timeout: 9s}
      - pipe: {command: [p], timeout: 1s, line_ends: crlf, env: [A=b]}
`)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts[0]
	for what, ok := range map[string]bool{
		"top": c.Metrics.Listen == "127.0.0.1:9110" && c.MetricsFile == "/etc/m.prom" && c.PerHost == 1 && c.NoSandbox && c.Log.JSON &&
			c.Log.Level < 0,
		"tls": a.TLS.ServerName == "x.example" && len(a.TLS.Pins) == 1,
		"reach": a.Route.Bind == netip.MustParseAddr("::1") && a.Route.Proxy.HTTP && a.Route.Proxy.Server.Port == 8080 &&
			a.Route.Proxy.User == "u",
		"oauth": a.Auth == sasl.XOAUTH2 && a.OAuth.Custom() && len(a.OAuth.Scopes) == 2 && a.OAuth.Subject == "u" &&
			a.OAuth.RedirectPort == 8400 && a.OAuth.Keyring,
		"mail": a.Policy.Keep.None && a.Limits.Rate == 1<<20 && reflect.DeepEqual(a.Policy.Recipients, recipient.Rule{
			Headers: []string{"Delivered-To"}, Occurrence: 2, Strip: "p-"}) && a.Policy.OnReject == plan.KeepOnServer && a.Policy.Poison == -1 &&
			a.Policy.Received,
		"dedupe": a.Dedupe == Dedupe{DedupeMessageID, DuplicateTag} && a.Policy.ForgetAfter == 182*day &&
			a.UTF8 == session.UTF8On && a.Server.Lang == "de",
		"run": a.Schedule.Quiet.From == 23*time.Hour && a.Schedule.Jitter == 0 && a.After[1] == "true" &&
			a.Alert.After == 2*day && a.Alert.Ping != "",
		"targets": a.Deliver[0].ID() == "mbox:/etc/x" && a.Deliver[1].ID() == "maildir:/etc/y" &&
			a.Deliver[2].ID() == "smtp:relay.example:25" && a.Deliver[3].ID() == "pipe:p",
		"no plain": !a.Server.Insecure,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

func TestDefaultPaths(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "relative/is/ignored")
	t.Setenv("XDG_STATE_HOME", "")
	if got, err := DefaultState(); got != filepath.Join(home, ".local/state/mailhaul") || err != nil {
		t.Error(got, err)
	}
	own := filepath.Join(home, ".config/mailhaul/config.yaml")
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := DefaultPath(); got != own {
		t.Error(got)
	}
	xdg := t.TempDir()
	t.Setenv("XDG_STATE_HOME", xdg)
	if got, _ := DefaultState(); got != filepath.Join(xdg, "mailhaul") {
		t.Error(got)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.9.9.9": true, "::1": true, "pop.localhost": true,
		"::ffff:127.0.0.1":  true,
		"localhost.example": false, "10.0.0.1": false, "h": false} {
		if got := Loopback(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// TestOwnAuthority: ca_file is also for a provider of one's own, and never for
// one that the world knows.
func TestOwnAuthority(t *testing.T) {
	a := &Account{Remote: Remote{TLS: TLS{CAFile: "own.pem"}}}
	for provider, want := range map[string]string{"custom": "own.pem", "google": ""} {
		o := OAuth{Config: oauth.Config{Provider: provider}}
		if got := o.Of(a).CAFile; got != want {
			t.Errorf("%s: CA file %q, want %q", provider, got, want)
		}
	}
}

// TestProviderLimits reads what providers.json writes as the configuration does.
func TestProviderLimits(t *testing.T) {
	var names []string
	for _, p := range provider.All() {
		if p.Limit == nil {
			continue
		}
		names = append(names, p.Limit.Name)
		c, err := parse(account("limit: " + p.Limit.Name))
		want, bad := ParseSize(p.Limit.BytesPerDay)
		if err != nil || bad != nil || c.Accounts[0].Limits != (plan.Limits{BytesPerDay: want}) {
			t.Errorf("%s: %v, %v", p.Limit.Name, err, bad)
		}
	}
	if !slices.Contains(names, "gmail") {
		t.Errorf("limits of %v", names)
	}
}
