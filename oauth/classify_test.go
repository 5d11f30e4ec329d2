package oauth

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestKnownRefusals are the dialogues that Google and Microsoft are known to
// speak.
func TestKnownRefusals(t *testing.T) {
	const trailer = " Trace ID: 0d1c2b3a-0000-4000-8000-000000000000 Correlation ID: 1 Timestamp: 2026-01-01 00:00:00Z"
	for _, c := range []struct {
		provider   string
		flow       provider.Flow
		code, text string
		kind       Kind
	}{
		{"google", provider.Browser, "invalid_grant", "Token has been expired or revoked.", KindNeedsLogin},
		{"google", provider.Browser, "invalid_client", "Unauthorized", KindConfig},
		{"google", provider.Browser, "invalid_request", "client_secret is missing.", KindConfig},
		{"google", provider.Browser, "access_denied", "", KindDenied},
		{"google", provider.Browser, "admin_policy_enforced", "", KindDenied},
		{"google", provider.Browser, "policy_enforced", "Advanced Protection prevents your account from signing in", KindDenied},
		{"google", provider.ServiceAccount, "invalid_grant", "Invalid JWT: Token must be a short-lived token", KindConfig},
		{"google", provider.ServiceAccount, "invalid_grant", "Invalid email or User ID", KindConfig},
		{"google", provider.ServiceAccount, "unauthorized_client", "Client is unauthorized to retrieve access tokens", KindConfig},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS50034: The user account does not exist." + trailer, KindConfig},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS50076: Due to a configuration change" + trailer, KindNeedsLogin},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS53003: Access has been blocked" + trailer, KindDenied},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS65001: The user or administrator has not consented" + trailer,
			KindNeedsLogin},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS70000: The request was denied" + trailer, KindNeedsLogin},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS70008: The refresh token has expired" + trailer, KindNeedsLogin},
		{"microsoft", provider.Browser, "invalid_grant",
			"AADSTS700082: The refresh token has expired due to inactivity" + trailer, KindNeedsLogin},
		{"microsoft", provider.Browser, "invalid_client", "AADSTS7000215: Invalid client secret provided" + trailer, KindConfig},
		{"microsoft", provider.Browser, "invalid_client", "AADSTS7000218: The request body must contain" + trailer, KindConfig},
		{"microsoft", provider.Browser, "unauthorized_client", "AADSTS700016: Application not found" + trailer, KindConfig},
		{"microsoft", provider.Browser, "access_denied", "AADSTS90094: admin consent" + trailer, KindDenied},
		{"microsoft", provider.Browser, "invalid_grant", "AADSTS99999: new" + trailer, KindNeedsLogin},
		{"microsoft-app", provider.ClientCredentials, "invalid_client", "AADSTS700027: Client assertion" + trailer, KindConfig},
		{"microsoft-app", provider.ClientCredentials, "invalid_grant", "AADSTS7000012: other tenant" + trailer, KindConfig},
		{"yahoo", provider.Browser, "invalid_grant", "", KindNeedsLogin},
	} {
		t.Run(c.provider+"/"+c.code+"/"+entraCode(c.text), func(t *testing.T) {
			var p provider.Preset
			if row := provider.OfPreset(c.provider); row != nil {
				p = *row.OAuth
			}
			e := &Error{Op: "refresh", Status: 400}
			(&Client{conf: Config{Flow: c.flow}, preset: p}).refusal(e, c.code, c.text, nil)
			if e.Kind != c.kind || e.Number != entraCode(c.text) || e.Flow != c.flow {
				t.Errorf("%+v; want %v", e, c.kind)
			}
			if strings.Contains(e.Error(), "Trace") {
				t.Errorf("%q", e.Error())
			}
		})
	}
}

func TestRedact(t *testing.T) {
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
	for _, c := range []struct{ in, want string }{
		{"token 1//0gAB-cd is bad", "token [redacted] is bad"},
		{"token 1%2F%2F0gAB-cd is bad", "token [redacted] is bad"},
		{"got " + jwt + ".", "got [redacted]"},
		{"id 0d1c2b3a-0000-4000-8000-000000000000, ok", "id 0d1c2b3a-0000-4000-8000-000000000000, ok"},
		{"see https://login.microsoftonline.com/error", "see https://login.microsoftonline.com/error"},
		{"é\xff" + strings.Repeat("a", 50) + "ü", "é\xff[redacted]ü"},
	} {
		if got := Redact(c.in, "1//0gAB-cd", ""); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzTold(f *testing.F) {
	f.Add("AADSTS1: \x1b[2J tok-SECRET-1 \"\\\r\n", "tok-SECRET-1")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := secrets{secret}.clean(text)
		if strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '"' }) || len(got) > maxTold+3 {
			t.Errorf("%q", got)
		}
		if len(secret) >= 12 && !strings.ContainsAny(secret, " \t\r\n") && strings.Contains(got, secret) &&
			!strings.Contains(redacted, secret) {
			t.Errorf("%q holds %q", got, secret)
		}
	})
}

func TestNetworkFailures(t *testing.T) {
	f := newFake(t)
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()
	conf := f.config()
	conf.Transport, conf.TokenURL = nil, srv.URL+"/token"
	src := loggedIn(t, f, mustNew(t, conf), NewStore(t.TempDir()))
	_, err := src.Refresh(t.Context(), "at-SECRET-0")
	wantError(t, err, KindUntrusted)

	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	conf.CAFile = ca
	src = NewSource(mustNew(t, conf), src.store, "work")
	wantToken(t, "at-SECRET-1")(src.Refresh(t.Context(), "at-SECRET-0"))

	srv.Close()
	_, err = src.Refresh(t.Context(), "at-SECRET-1")
	wantError(t, err, KindTemporary)
}

func TestSecretThatCannotBeHad(t *testing.T) {
	f := newFake(t)
	conf := f.config()
	cause := errors.New("pass: no such entry")
	conf.Secret = func(context.Context) (string, error) { return "", cause }
	src := loggedIn(t, f, mustNew(t, conf), NewStore(t.TempDir()))
	_, err := src.Refresh(t.Context(), "at-SECRET-0")
	wantError(t, err, KindConfig)
	if !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}
