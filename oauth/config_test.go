package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

func TestPresetsAreAccepted(t *testing.T) {
	for _, row := range provider.All() {
		if row.OAuth == nil {
			continue
		}
		for _, flow := range row.OAuth.Flows {
			c := Config{Provider: row.OAuth.Name, ClientID: "x", Flow: flow, Tenant: "example.org", ServiceAccount: "key.json",
				Secret: func(context.Context) (string, error) { return "", nil }}
			if _, err := New(c); err != nil {
				t.Errorf("%s, %v: %v", row.Name, flow, err)
			}
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		conf Config
		want []string
	}{
		{"unknown", Config{Provider: "gogle"}, []string{`provider "gogle" is not known`}},
		{"nothing", Config{Provider: "custom"}, []string{"client_id is needed", "token_url is needed", "auth_url is needed"}},
		{"device", Config{Provider: "google", ClientID: "x", Flow: provider.Device}, []string{"flow device is not possible with google"}},
		{"no tenant", Config{Provider: "microsoft", ClientID: "x", Flow: provider.ClientCredentials},
			[]string{"tenant is needed", "a client secret or certificate is needed"}},
		{"no real tenant", Config{Provider: "microsoft-app", ClientID: "x", Certificate: "c.pem", Tenant: "common",
			Flow: provider.ClientCredentials}, []string{`"common" is no tenant`}},
		{"plain http", Config{Provider: "custom", ClientID: "x", AuthURL: "https://a.example/", TokenURL: "http://a.example/"},
			[]string{"token_url: not https"}},
		{"password in URL", Config{Provider: "custom", ClientID: "x", AuthURL: "https://u:pw@a.example/",
			TokenURL: "https://a.example/"}, []string{"auth_url: a URL with a user name"}},
		{"redirect", Config{Provider: "google", ClientID: "x", Redirect: "https://evil.example"}, []string{"redirect is not"}},
		{"service account", Config{Provider: "google", Flow: provider.ServiceAccount}, []string{"service_account is needed"}},
		{"CA", Config{Provider: "google", ClientID: "x", CAFile: "/nonexistent/ca.pem"}, []string{"CA file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.conf)
			wantError(t, err, KindConfig)
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if strings.Contains(err.Error(), "pw@") {
				t.Errorf("%q holds the password", err)
			}
		})
	}
}

func TestAuthorisationRequest(t *testing.T) {
	c := mustNew(t, Config{Provider: "google", ClientID: "id", LoginHint: "alice@example.org"})
	r, err := (&login{Client: c}).authorise(t.Context(), "http://127.0.0.1:4711")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"access_type": "offline", "prompt": "consent", "login_hint": "alice@example.org", "scope": "https://mail.google.com/",
		"code_challenge_method": "S256", "response_type": "code", "redirect_uri": "http://127.0.0.1:4711", "state": r.state,
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(r.url, r.verifier) || len(r.state) < 20 {
		t.Errorf("request %q", r.url)
	}
	ms := mustNew(t, Config{Provider: "microsoft", ClientID: "id", Tenant: "example.org/../evil"})
	if want := "https://login.microsoftonline.com/example.org%2F..%2Fevil/oauth2/v2.0/token"; ms.conf.TokenURL != want {
		t.Errorf("token URL %q", ms.conf.TokenURL)
	}
}

func TestBrowserCommand(t *testing.T) {
	none := func(string) string { return "" }
	wayland := func(name string) string {
		if name == "WAYLAND_DISPLAY" {
			return "wayland-0"
		}
		return ""
	}
	if got := browserCommand("linux", none); got != nil {
		t.Errorf("without a display: %v", got)
	}
	for goos, want := range map[string]string{"linux": "xdg-open", "freebsd": "xdg-open", "darwin": "open", "windows": "rundll32"} {
		if got := browserCommand(goos, wayland); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v", goos, got)
		}
	}
}

func TestStatusOfLogins(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name, provider string
		change         func(r *record)
		until          time.Time
		warning        string
		needs          bool
	}{
		{"microsoft", "microsoft", func(*record) {}, now.Add(90 * day), "", false},
		{"unused", "microsoft", func(r *record) { r.Issued = now.Add(-80 * day) }, now.Add(10 * day), "ends soon", false},
		{"too long unused", "microsoft", func(r *record) { r.Issued = now.Add(-91 * day) }, now.Add(-day), "probably expired", false},
		{"testing", "google", func(r *record) { r.RefreshExpiry = now.Add(7 * day) }, now.Add(7 * day), "Testing", false},
		{"yahoo", "yahoo", func(*record) {}, time.Time{}, "", false},
		{"no refresh token", "yahoo", func(r *record) { r.Tokens.Refresh, r.Expiry = "", now.Add(-time.Minute) }, time.Time{}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := NewSource(mustNew(t, Config{Provider: c.provider, ClientID: "id"}), NewStore(t.TempDir()), "work")
			r := src.newRecord()
			r.apply(&grant{access: "a", refresh: "r", issued: now, expiry: now.Add(time.Hour), scopes: []string{"mail"}})
			c.change(r)
			if err := src.store.save(t.Context(), "work", r); err != nil {
				t.Fatal(err)
			}
			st, err := src.Status()
			if err != nil || !st.LoginUntil.Equal(c.until) || st.NeedsLogin != c.needs || !strings.Contains(st.Warning,
				c.warning) || c.warning == "" && st.Warning != "" {
				t.Errorf("%+v, %v", st, err)
			}
			if !st.ValidUntil.Equal(r.Expiry) || !slices.Equal(st.Scopes, []string{"mail"}) || !st.LoggedIn.Equal(r.LoggedIn) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	if told, err := src.Revoke(t.Context()); err != nil || !told {
		t.Fatalf("%v, %v", told, err)
	}
	if !slices.Equal(f.revoked, []string{"rt-SECRET-0"}) {
		t.Errorf("revoked %v", f.revoked)
	}
	if _, err := src.store.load(t.Context(), "work"); !errors.Is(err, ErrNoTokens) {
		t.Errorf("still there: %v", err)
	}
	if _, err := src.Revoke(t.Context()); !errors.Is(err, ErrNoTokens) {
		t.Errorf("got %v", err)
	}

	conf := f.config()
	conf.RevokeURL = "http://127.0.0.1:1/nowhere"
	src = loggedIn(t, f, mustNew(t, conf), src.store)
	told, err := src.Revoke(t.Context())
	if wantError(t, err, KindProtocol); told {
		t.Error("told")
	}
	if _, err := src.store.load(t.Context(), "work"); !errors.Is(err, ErrNoTokens) {
		t.Errorf("still there: %v", err)
	}
}
