package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wantError checks the kind of an error, and that nothing secret is in it.
func wantError(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", *e), fmt.Sprintf("%#v", *e)} {
		if strings.Contains(text, "SECRET") {
			t.Errorf("a secret leaked: %s", text)
		}
	}
	if e.Kind != kind {
		t.Fatalf("kind %v, want %v: %v", e.Kind, kind, err)
	}
	if e.Temporary() != (kind == KindTemporary) || e.NeedsLogin() != (kind == KindNeedsLogin) {
		t.Errorf("Temporary %v, NeedsLogin %v with %v", e.Temporary(), e.NeedsLogin(), kind)
	}
	return e
}

func wantToken(t *testing.T, want string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestTokenIsRefreshedAheadAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		src := newSource(t, f)
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		time.Sleep(54 * time.Minute)
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		time.Sleep(2 * time.Minute) // 4 minutes are left
		wantToken(t, "at-SECRET-2")(src.Token(t.Context()))
		src.Ahead = 30 * time.Minute // for a long run
		time.Sleep(35 * time.Minute)
		wantToken(t, "at-SECRET-3")(src.Token(t.Context()))
		if n := len(f.seen("refresh_token")); n != 3 {
			t.Errorf("%d refreshes, want 3", n)
		}
	})
}

func TestShortLivedTokensAreNotRefreshedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.life = 4 * time.Minute // shorter than Ahead
		src := newSource(t, f)
		for range 3 {
			wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		}
	})
}

func TestRotatedTokenIsUsed(t *testing.T) {
	for _, mode := range []rotation{noRotation, keepsOld, untilUsed, strict} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.rotation = mode
				src := newSource(t, f)
				for i := range 3 {
					wantToken(t, fmt.Sprintf("at-SECRET-%d", i+1))(src.Token(t.Context()))
					time.Sleep(time.Hour)
				}
				if len(f.refresh) == 0 {
					t.Error("the login was revoked")
				}
			})
		})
	}
}

func TestReusedOldRefreshTokenNeedsLogin(t *testing.T) {
	f := newFake(t)
	f.rotation = strict
	src := newSource(t, f)
	old, err := os.ReadFile(src.store.Path("work"))
	if err != nil {
		t.Fatal(err)
	}
	wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
	if err := os.WriteFile(src.store.Path("work"), old, 0o600); err != nil { // a backup is restored
		t.Fatal(err)
	}
	_, err = src.Token(t.Context())
	if e := wantError(t, err, KindNeedsLogin); e.Account != "work" {
		t.Errorf("account %q", e.Account)
	}
}

func TestRefusedRefreshIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		src := newSource(t, f)
		clear(f.refresh)
		for range 10 {
			_, err := src.Token(t.Context())
			wantError(t, err, KindNeedsLogin)
			time.Sleep(5 * time.Minute)
		}
		if n := len(f.seen("refresh_token")); n != 1 {
			t.Errorf("%d requests in 50 minutes, want 1", n)
		}
		st, err := src.Status()
		if err != nil || !st.NeedsLogin || !strings.Contains(st.Reason, "invalid_grant") {
			t.Errorf("status %+v, %v", st, err)
		}
		f.seed("rt-SECRET-0") // the provider changed its mind
		time.Sleep(15 * time.Minute)
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		if st, _ := src.Status(); st.NeedsLogin {
			t.Errorf("still %+v", st)
		}
	})
}

func TestServerRefusedTheToken(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	got, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantToken(t, "at-SECRET-2")(src.Refresh(t.Context(), got))
	// Another process was refused the same token, and finds a newer one.
	wantToken(t, "at-SECRET-2")(NewSource(src.client, src.store, "work").Refresh(t.Context(), got))
	if n := len(f.seen("refresh_token")); n != 2 {
		t.Errorf("%d refreshes, want 2", n)
	}
}

func TestProviderIsDown(t *testing.T) {
	faults := map[string]http.HandlerFunc{
		"500":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops at-SECRET-9", 500) },
		"503 JSON":    refuse(503, "temporarily_unavailable", "rt-SECRET-0 is fine, we are not"),
		"429":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slow down", 429) },
		"timeout":     hang,
		"200 + error": refuse(200, "server_error", ""),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				src := newSource(t, f)
				time.Sleep(time.Minute)
				f.fail(fault)
				start := time.Now()
				_, err := src.Token(t.Context())
				wantError(t, err, KindTemporary)
				if d := time.Since(start); d > 31*time.Second {
					t.Errorf("gave up after %v", d)
				}
				wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
			})
		})
	}
}

func TestTokenThatEndsSoonIsBetterThanNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		src := newSource(t, f)
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		time.Sleep(57 * time.Minute)
		f.fail(refuse(500, "", ""), refuse(500, "", ""))
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		time.Sleep(3 * time.Minute)
		_, err := src.Token(t.Context())
		wantError(t, err, KindTemporary)
	})
}

func TestNotAnOAuthServer(t *testing.T) {
	long := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"access_token":"at-SECRET-%s"}`, strings.Repeat("x", maxAnswer))
	}
	faults := map[string]http.HandlerFunc{
		"HTML":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>rt-SECRET-0") },
		"huge":        long,
		"empty":       func(http.ResponseWriter, *http.Request) {},
		"wrong types": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"access_token":["at-SECRET"]}`) },
		"no token":    func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]any{"token_type": "bearer"}) },
		"mac": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, map[string]any{"access_token": "at-SECRET-1", "token_type": "mac"})
		},
		"newline": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, map[string]any{"access_token": "at-SECRET\r\nDELE 1"})
		},
		"404": http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/token", http.StatusTemporaryRedirect)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			src := newSource(t, f)
			f.fail(fault)
			_, err := src.Refresh(t.Context(), "at-SECRET-0")
			wantError(t, err, KindProtocol)
			if n := len(f.seen("refresh_token")); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
		})
	}
}

func TestJSONCalledTextIsRead(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	f.fail(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, `{"access_token":"at-SECRET-9","expires_in":"3600"}`)
	})
	wantToken(t, "at-SECRET-9")(src.Token(t.Context()))
}

func TestInterruptDoesNotLoseAnAnswer(t *testing.T) {
	f := newFake(t)
	f.rotation = strict
	src := newSource(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	src.store.step = func(name string) {
		if name == "request" {
			cancel()
		}
	}
	wantToken(t, "at-SECRET-1")(src.Token(ctx))
	r, err := src.store.load(t.Context(), "work")
	if err != nil || r.Tokens.Refresh != "rt-SECRET-1" {
		t.Errorf("stored %+v, %v", r, err)
	}
}

func TestClockOffByAnHour(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.date = off
				src := newSource(t, f)
				wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
				time.Sleep(50 * time.Minute)
				wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
				clear(f.refresh)
				_, err := src.Refresh(t.Context(), "at-SECRET-1")
				if e := wantError(t, err, KindNeedsLogin); e.Skew != off {
					t.Errorf("skew %v", e.Skew)
				}
			})
		})
	}
}

func TestClockWasSetBack(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	r, err := src.store.load(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	// Issued while the clock was an hour ahead: it really ends now.
	r.Issued, r.Expiry = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	if err := src.store.save(t.Context(), "work", r); err != nil {
		t.Fatal(err)
	}
	wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
}

func TestOtherRegistrationNeverGetsTheTokens(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	for name, change := range map[string]func(*Config){
		"client":   func(c *Config) { c.ClientID = "other" },
		"provider": func(c *Config) { c.TokenURL = "http://127.0.0.1:2/token" },
	} {
		t.Run(name, func(t *testing.T) {
			conf := f.config()
			change(&conf)
			other := NewSource(mustNew(t, conf), src.store, "work")
			_, err := other.Token(t.Context())
			wantError(t, err, KindNeedsLogin)
			if st, err := other.Status(); err != nil || !st.NeedsLogin {
				t.Errorf("status %+v, %v", st, err)
			}
		})
	}
	if n := len(f.seen("refresh_token")); n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

func TestNeverLoggedIn(t *testing.T) {
	f := newFake(t)
	src := NewSource(mustNew(t, f.config()), NewStore(t.TempDir()), "work")
	_, err := src.Token(t.Context())
	wantError(t, err, KindNeedsLogin)
	if !errors.Is(err, ErrNoTokens) {
		t.Errorf("%v is not ErrNoTokens", err)
	}
	if st, err := src.Status(); err != nil || !st.NeedsLogin {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestSecretIsWaitedForOnlyAsLongAsWanted(t *testing.T) {
	f := newFake(t)
	conf := f.config()
	conf.Secret = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	src := loggedIn(t, f, mustNew(t, conf), NewStore(t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := src.Refresh(ctx, "at-SECRET-0"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if r, err := src.store.load(t.Context(), "work"); err != nil || !r.Refreshing.IsZero() {
		t.Errorf("a refresh is noted that was never sent: %+v, %v", r, err)
	}
}

// TestLockThatDoesNotLock is a network file system whose locks are local: the
// other machine refreshes at the same moment, and ours is the reused token.
func TestLockThatDoesNotLock(t *testing.T) {
	for name, life := range map[string]time.Duration{"fresh": time.Hour, "stale": 0} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			src := newSource(t, f)
			clear(f.refresh)
			f.seed("rt-SECRET-other")
			src.store.step = func(step string) {
				if step != "answered" {
					return
				}
				src.store.step = nil
				r, err := src.store.load(t.Context(), "work")
				if err != nil {
					t.Error(err)
				}
				now := time.Now()
				r.apply(&grant{access: "at-SECRET-other", refresh: "rt-SECRET-other", issued: now, expiry: now.Add(life)})
				if err := src.store.save(t.Context(), "work", r); err != nil {
					t.Error(err)
				}
			}
			want := map[string]string{"fresh": "at-SECRET-other", "stale": "at-SECRET-1"}[name]
			wantToken(t, want)(src.Token(t.Context()))
		})
	}
}
