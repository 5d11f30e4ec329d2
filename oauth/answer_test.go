package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlainAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		in, want string
	}{
		"as it should be":    {200, `{"access_token":"a","expires_in":3600}`, `{"access_token":"a","expires_in":3600}`},
		"counts are strings": {200, `{"expires_in":"900","interval":"5"}`, `{"expires_in":900,"interval":5}`},
		"fractions":          {200, `{"expires_in":900.0,"interval":"0.5"}`, `{"expires_in":900,"interval":1}`},
		"empty, null, odd": {200, `{"access_token":"a","expires_in":"","interval":null,"refresh_token":null,"scope":["x","y"]}`,
			`{"access_token":"a","scope":"x y"}`},
		"byte order mark": {200, "\ufeff {\"access_token\":\"a\"}", `{"access_token":"a"}`},
		"cut off":         {200, `{"access_token":"a","refresh_token":"r","id_token":"xx`, `{"access_token":"a","refresh_token":"r"}`},
		"garbage behind":  {200, `{"access_token":"a"}<!-- cached -->`, `{"access_token":"a"}`},
		"no error":        {200, `{"access_token":"a","error":"none"}`, `{"access_token":"a"}`},
		"query":           {200, `access_token=a&expires_in=60`, `{"access_token":"a","expires_in":60}`},
		"error object": {400, `{"error":{"code":400,"message":"no key","status":"INVALID"}}`,
			`{"error":"INVALID","error_description":"no key"}`},
		"error list":         {400, `{"error":["invalid_grant"],"error_description":["why"]}`, `{"error":"invalid_grant"}`},
		"error with message": {401, `{"error":"x","message":"why"}`, `{"error":"x","error_description":"why","message":"why"}`},
		"HTML":               {200, `<html>`, `null`},
	} {
		got, err := json.Marshal(plainAnswer(c.status, []byte(c.in)))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func FuzzPlainAnswer(f *testing.F) {
	f.Add(200, `{"access_token":"a","expires_in":"1e400","error":{"code":{}}}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if _, err := json.Marshal(plainAnswer(status, []byte(body))); err != nil {
			t.Error(err)
		}
	})
}

// TestRotatedTokenOutlivesAnOddAnswer: the old refresh token may be good no more.
func TestRotatedTokenOutlivesAnOddAnswer(t *testing.T) {
	for name, answer := range map[string]map[string]any{
		"id_token only": {"id_token": "x.y.z", "refresh_token": "rt-SECRET-9"},
		"bad access":    {"access_token": "at SECRET", "refresh_token": "rt-SECRET-9"},
		"mac":           {"access_token": "at-SECRET", "token_type": "mac", "refresh_token": "rt-SECRET-9"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			src := newSource(t, f)
			f.fail(func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, answer) })
			_, err := src.Refresh(t.Context(), "at-SECRET-0")
			wantError(t, err, KindProtocol)
			if r, err := src.store.load(t.Context(), "work"); err != nil || r.Tokens.Refresh != "rt-SECRET-9" || !r.Refreshing.IsZero() {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
}

// TestLoginKeepsTheRefreshToken: an answer to a login whose access token is of no use has
// cost the person a consent.
func TestLoginKeepsTheRefreshToken(t *testing.T) {
	for _, odd := range []int{1, 2} { // how many answers are so
		t.Run(fmt.Sprint(odd), func(t *testing.T) {
			f, src := newLogin(t, nil)
			left := odd
			f.dialect = func(answer map[string]any) {
				if left > 0 {
					answer["access_token"] = "at SECRET"
				}
				left--
			}
			err := src.Login(t.Context(), quietUI{url: func(u string) { get(t, u) }}, LoginOptions{Open: noBrowser})
			if odd == 1 && err != nil {
				t.Error(err)
			} else if odd == 2 {
				wantError(t, err, KindProtocol)
			}
			if _, err := src.Token(t.Context()); err != nil || len(f.seen("refresh_token")) != odd {
				t.Errorf("%v, %d refreshes", err, len(f.seen("refresh_token")))
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, value := range map[string]func() string{
		"seconds": func() string { return "600" },
		"date":    func() string { return time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				src := newSource(t, f)
				f.fail(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", value())
					w.WriteHeader(http.StatusTooManyRequests)
				})
				for range 9 {
					_, err := src.Refresh(t.Context(), "at-SECRET-0")
					if e := wantError(t, err, KindTemporary); e.Until.IsZero() {
						t.Errorf("%+v", e)
					}
					time.Sleep(time.Minute)
				}
				if n := len(f.seen("refresh_token")); n != 1 {
					t.Errorf("asked %d times", n)
				}
				time.Sleep(2 * time.Minute)
				wantToken(t, "at-SECRET-1")(src.Refresh(t.Context(), "at-SECRET-0"))
			})
		})
	}
}

// TestClientAuthentication: a provider that takes one style only; it is found,
// and remembered by the next process.
func TestClientAuthentication(t *testing.T) {
	f := newFake(t)
	refused := 0
	basicOnly := func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != clientSecret {
			refused++
			reply(w, 401, map[string]any{"error": "invalid_client"})
			return
		}
		reply(w, 200, map[string]any{"access_token": fmt.Sprintf("at-SECRET-%d", refused), "expires_in": 1})
	}
	conf := withSecret(f.config())
	src := loggedIn(t, f, mustNew(t, conf), NewStore(t.TempDir()))
	f.fail(basicOnly, basicOnly)
	wantToken(t, "at-SECRET-1")(src.Refresh(t.Context(), "at-SECRET-0"))
	next := NewSource(mustNew(t, conf), src.store, "work")
	f.fail(basicOnly)
	wantToken(t, "at-SECRET-1")(next.Refresh(t.Context(), "x"))
}

func withSecret(c Config) Config {
	c.Secret = func(context.Context) (string, error) { return clientSecret, nil }
	return c
}

func TestParsePasted(t *testing.T) {
	const address = "http://127.0.0.1:5/?code=4%2F0A&state=S"
	for _, text := range []string{
		address, `"` + address + `"`, "<" + address + ">", "\x1b[200~" + address +
			"\x1b[201~", "http://127.0.0.1:5/?code=4%2F0A&amp;state=S",
		"localhost:5/?code=4%2F0A&state=S", "http://127.0.0.1:5/#code=4%2F0A&state=S", "code=4/0A", "4/0A", "4/0A&scope=x", "4/0A&state=S",
		" http://127.0.0.1:5/?co\nde=4%2F0A&state=S ", address + "#", address + "#_=_", address + ".", "[" + address + "](" + address + ")",
		"URL: " + address, "code: 4/0A", "\ufeff" + address, "?code=4/0A&state=S", "http://127.0.0.1:5/cb?state=S&scope=a%20b&code=4/0A",
	} {
		if q, err := parsePasted(text, "S"); err != nil || q.Get("code") != "4/0A" {
			t.Errorf("%q: %v, %v", text, q, err)
		}
	}
	if q, err := parsePasted("http://127.0.0.1:5/?error=access_denied", "S"); err != nil || q.Get("error") != "access_denied" {
		t.Errorf("%v, %v", q, err)
	}
	for _, text := range []string{"4/0A&state=T", "http://127.0.0.1:5/?code=x", "http://127.0.0.1:5/", "<>"} {
		if q, err := parsePasted(text, "S"); err == nil {
			t.Errorf("%q: %v", text, q)
		}
	}
}
