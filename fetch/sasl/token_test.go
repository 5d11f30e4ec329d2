package sasl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// googleRefusal is the challenge of Google's protocol description.
const googleRefusal = `{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}`

func TestXOAUTH2(t *testing.T) {
	const token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
	m := sasl.NewXOAUTH2("someuser@example.com", token)
	got, err := exchange(t, m, "", googleRefusal)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"-", "user=someuser@example.com\x01auth=Bearer " + token + "\x01\x01", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	var refused *sasl.TokenError
	if !errors.As(m.(sasl.Explainer).Explain(), &refused) {
		t.Fatal("refusal not explained")
	}
	wantErr := &sasl.TokenError{Status: "401", Schemes: "bearer mac", Scope: "https://mail.google.com/", Length: len(token)}
	if diff := cmp.Diff(wantErr, refused); diff != "" {
		t.Error(diff)
	}
	if m.(sasl.Completer).Complete() == nil {
		t.Error("success after a refusal was accepted")
	}
	if _, err := m.Next([]byte(googleRefusal)); err == nil {
		t.Error("a third challenge was answered")
	}
}

func TestOAuthBearer(t *testing.T) {
	// RFC 7628 section 4.1, with our port of the table there.
	const token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	ch := sasl.Channel{Host: "server.example.com", Port: 143}
	m := sasl.NewOAuthBearer("user@example.com", token, ch)
	got, err := exchange(t, m, `{"status":"invalid_token","scope":"example_scope",`+
		`"openid-configuration":"https://example.com/.well-known/openid-configuration"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer " + token + "\x01\x01", "\x01"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	err = m.(sasl.Explainer).Explain()
	if err == nil || err.Error() != `token refused, status "invalid_token", scope "example_scope"` {
		t.Errorf("explained as %v", err)
	}
}

func TestOAuthBearerHeader(t *testing.T) {
	tests := []struct {
		name, user, want string
		ch               sasl.Channel
	}{
		{"escaped", "a,b=c", "n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01", sasl.Channel{}},
		{"no user", "", "n,,\x01host=h\x01auth=Bearer t\x01\x01", sasl.Channel{Host: "h"}},
		{"port alone", "u", "n,a=u,\x01port=995\x01auth=Bearer t\x01\x01", sasl.Channel{Port: 995}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := sasl.NewOAuthBearer(tt.user, "t", tt.ch).Start()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusalHostile(t *testing.T) {
	const token = "t0ken"
	tests := []struct{ name, challenge, want string }{
		{"truncated JSON", `{"status":"4`, `token refused, answer "{\"status\":\"4"`},
		{"not JSON", "go away\x1b[2J", `token refused, answer "go away\x1b[2J"`},
		{"not an object", `["401"]`, `token refused, answer "[\"401\"]"`},
		{"null", "null", "token refused"},
		{"empty", "", "token refused"},
		{"status as number", `{"status":401}`, `token refused, status "401"`},
		{"status as object", `{"status":{"a":1}}`, "token refused"},
		{"token echoed", `{"status":"bad token t0ken"}`, `token refused, status "bad token [token]"`},
		{"token echoed raw", `bad t0ken`, `token refused, answer "bad [token]"`},
		{"deep nesting", strings.Repeat("[", 20000), "token refused, answer " + `"` + strings.Repeat("[", 256) + `..."`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range []sasl.Mechanism{sasl.NewXOAUTH2("u", token), sasl.NewOAuthBearer("u", token, sasl.Channel{})} {
				challenges := []string{tt.challenge}
				if name, _, _ := m.Start(); name == "XOAUTH2" {
					challenges = []string{"", tt.challenge}
				}
				if _, err := exchange(t, m, challenges...); err != nil {
					t.Fatal(err)
				}
				err := m.(sasl.Explainer).Explain()
				if err == nil {
					t.Fatal("not explained")
				}
				if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestLongToken(t *testing.T) {
	for _, n := range []int{4096, 4097, 9000} {
		m := sasl.NewXOAUTH2("u", strings.Repeat("x", n))
		if got, err := exchange(t, m, ""); err != nil || len(got[1]) < n {
			t.Fatal(err)
		}
		// Exchange Online says -ERR at once, without a challenge.
		var refused *sasl.TokenError
		if found := errors.As(m.(sasl.Explainer).Explain(), &refused); found != (n > 4096) {
			t.Fatalf("%d characters: explained %v", n, found)
		}
		if refused != nil && (!refused.TokenTooLong || !strings.Contains(refused.Error(), "Exchange Online takes at most 4096")) {
			t.Errorf("%d characters: %v", n, refused)
		}
		if err := m.(sasl.Completer).Complete(); err != nil {
			t.Errorf("a long token that was taken is refused: %v", err)
		}
	}
}

func TestTokenBeforeSent(t *testing.T) {
	m := sasl.NewXOAUTH2("u", "t")
	if _, err := exchange(t, m); err != nil {
		t.Fatal(err)
	}
	if m.(sasl.Completer).Complete() == nil || m.(sasl.Explainer).Explain() != nil {
		t.Error("success before the token was sent, or a refusal explained by it")
	}
	if _, _, err := sasl.NewXOAUTH2("", "t").Start(); err == nil {
		t.Error("XOAUTH2 without a user")
	}
	if _, _, err := sasl.NewXOAUTH2("u", "Bearer t").Start(); err == nil || !strings.HasPrefix(err.Error(), "token holds a byte") {
		t.Errorf("token with a space: %v", err)
	}
}
