package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// newLogin is a source without tokens whose fake is on a real port.
func newLogin(t *testing.T, change func(*Config)) (*fake, *Source) {
	f := newFake(t)
	f.rotation = strict
	conf := f.config()
	f.listen(&conf)
	conf.Secret = func(context.Context) (string, error) { return clientSecret, nil }
	if change != nil {
		change(&conf)
	}
	return f, NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
}

// get is a browser that follows redirects.
func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(address)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

func TestLoginWithBrowser(t *testing.T) {
	for _, redirect := range []string{"http://127.0.0.1", "http://localhost", "http://localhost/callback"} {
		t.Run(redirect, func(t *testing.T) {
			f, src := newLogin(t, func(c *Config) { c.Redirect = redirect })
			shown, opened := "", ""
			ui := quietUI{url: func(u string) {
				shown = u
				if status, body := get(t, u); status != 200 || strings.Contains(body, "SECRET") {
					t.Errorf("status %d, page %q", status, body)
				}
			}}
			err := src.Login(t.Context(), ui, LoginOptions{Open: func(_ context.Context, u string) error { opened = u; return nil }})
			if err != nil {
				t.Fatal(err)
			}
			if shown == "" || shown != opened || strings.Contains(shown, clientSecret) {
				t.Errorf("shown %q, opened %q", shown, opened)
			}
			wantToken(t, "at-SECRET-2")(src.Token(t.Context()))
			req := f.seen("authorization_code")[0]
			if len(req.Get("code_verifier")) < 43 || req.Get("client_secret") != clientSecret {
				t.Errorf("request %v", req)
			}
		})
	}
}

func TestLoopbackAcceptsOneAnswer(t *testing.T) {
	f, src := newLogin(t, nil)
	ui := quietUI{url: func(u string) {
		authURL, _ := url.Parse(u)
		q := authURL.Query()
		back := q.Get("redirect_uri")
		with := func(v url.Values) string { return back + "?" + v.Encode() }
		state := q.Get("state")
		for _, c := range []struct {
			name, url string
			status    int
		}{
			{"favicon", back + "/favicon.ico", 404},
			{"wrong state", with(url.Values{"code": {"evil"}, "state": {"x"}}), 400},
			{"no state", with(url.Values{"code": {"evil"}}), 400},
			{"error without state", with(url.Values{"error": {"access_denied"}}), 400},
			{"nothing", with(url.Values{"state": {state}}), 400},
			{"the answer", u, 200},
			{"a second one", with(url.Values{"code": {"<script>evil"}, "state": {state}}), 410},
			{"a stray", with(url.Values{"code": {"evil"}, "state": {"x"}}), 400},
		} {
			status, body := get(t, c.url)
			if status != c.status || strings.Contains(body, "evil") {
				t.Errorf("%s: status %d, want %d: %s", c.name, status, c.status, body)
			}
		}
		resp, err := http.Post(back, "text/plain", nil)
		if err != nil || resp.StatusCode != 405 {
			t.Errorf("POST: %v, %v", resp, err)
		}
		resp.Body.Close()
	}}
	if err := src.Login(t.Context(), ui, LoginOptions{Open: noBrowser}); err != nil {
		t.Fatal(err)
	}
	if reqs := f.seen("authorization_code"); len(reqs) != 1 || reqs[0].Get("code") == "evil" {
		t.Errorf("requests %v", reqs)
	}
}

func noBrowser(context.Context, string) error { return ErrNoBrowser }

func TestLoopbackPortIsOnBothAddressesAndClosedAfter(t *testing.T) {
	port := 0
	_, src := newLogin(t, nil)
	ui := quietUI{url: func(u string) {
		authURL, _ := url.Parse(u)
		back, _ := url.Parse(authURL.Query().Get("redirect_uri"))
		_, _ = fmt.Sscan(back.Port(), &port)
		for _, host := range []string{"127.0.0.1", "::1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, back.Port()))
			if err == nil {
				l.Close()
				t.Errorf("anyone could listen on %s", host)
			}
		}
		get(t, u)
	}}
	if err := src.Login(t.Context(), ui, LoginOptions{Open: noBrowser}); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port))); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

func TestRedirectPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, src := newLogin(t, func(c *Config) { c.RedirectPort = l.Addr().(*net.TCPAddr).Port })
	err = src.Login(t.Context(), quietUI{}, LoginOptions{Open: noBrowser})
	if e := wantError(t, err, KindFailed); !errors.Is(e, ErrPort) {
		t.Errorf("%+v", e)
	}
}

func TestProviderRefusesInTheBrowser(t *testing.T) {
	_, src := newLogin(t, nil)
	ui := quietUI{url: func(u string) {
		authURL, _ := url.Parse(u)
		q := authURL.Query()
		get(t, q.Get("redirect_uri")+"?"+url.Values{"state": {q.Get("state")}, "error": {"access_denied"},
			"error_description": {"AADSTS65004: User declined to consent.\x1b[31m\r\nTrace ID: 0"}}.Encode())
	}}
	err := src.Login(t.Context(), ui, LoginOptions{Open: noBrowser})
	e := wantError(t, err, KindDenied)
	if strings.ContainsAny(e.Error(), "\x1b\r\n") || strings.Contains(e.Error(), "Trace") || e.Code != "access_denied" {
		t.Errorf("%q", e.Error())
	}
}

func TestNobodyAnswers(t *testing.T) {
	f, src := newLogin(t, nil)
	ui := quietUI{url: func(u string) {
		authURL, _ := url.Parse(u)
		get(t, authURL.Query().Get("redirect_uri")+"?code=x&state=y")
	}}
	err := src.Login(t.Context(), ui, LoginOptions{Open: noBrowser, Timeout: 100 * time.Millisecond})
	if e := wantError(t, err, KindExpired); e.Strays != 1 {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = src.Login(ctx, quietUI{url: func(string) { cancel() }}, LoginOptions{Open: noBrowser})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(f.requests) != 0 {
		t.Errorf("requests %v", f.requests)
	}
}

func TestFailedLoginKeepsTheOldTokens(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	f.fail(refuse(400, "invalid_grant", "code-SECRET-9 is no good"))
	err := src.Login(t.Context(), quietUI{paste: func() string { return "code-SECRET-9" }}, LoginOptions{Way: WayPaste})
	wantError(t, err, KindDenied)
	wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
}

func TestLoginReplacesAVerdict(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	clear(f.refresh)
	_, err := src.Token(t.Context())
	wantError(t, err, KindNeedsLogin)
	loginByPaste(t, f, src)
	if _, err := src.Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func loginByPaste(t *testing.T, f *fake, src *Source) {
	t.Helper()
	shown := ""
	ui := quietUI{url: func(u string) { shown = u }, paste: func() string { return consent(t, f, shown) }}
	if err := src.Login(t.Context(), ui, LoginOptions{Way: WayPaste}); err != nil {
		t.Fatal(err)
	}
}

// consent is the address a browser ends at.
func consent(t *testing.T, f *fake, authURL string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, authURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := f.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.Get("Location")
}

func TestLoginByPaste(t *testing.T) {
	for name, mangle := range map[string]func(string) string{
		"address": func(s string) string { return s + "\n" },
		"wrapped": func(s string) string { return s[:30] + "\r\n  " + s[30:] },
		"query":   func(s string) string { return s[strings.Index(s, "?")+1:] },
		"code": func(s string) string {
			u, _ := url.Parse(s)
			return " " + strings.ReplaceAll(u.Query().Get("code"), "-", "%2D")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			src := NewSource(mustNew(t, f.config()), NewStore(t.TempDir()), "work")
			shown := ""
			ui := quietUI{url: func(u string) { shown = u }, paste: func() string { return mangle(consent(t, f, shown)) }}
			if err := src.Login(t.Context(), ui, LoginOptions{Way: WayPaste}); err != nil {
				t.Fatal(err)
			}
			wantToken(t, "at-SECRET-2")(src.Token(t.Context()))
		})
	}
}

func TestBadPastes(t *testing.T) {
	f := newFake(t)
	src := NewSource(mustNew(t, f.config()), NewStore(t.TempDir()), "work")
	for name, text := range map[string]string{
		"nothing":     " \n",
		"state":       "http://localhost:1/?code=code-SECRET&state=other",
		"no state":    "http://localhost:1/?code=code-SECRET",
		"the request": "https://accounts.example.org/authorize",
		"no code":     "http://localhost:1/?state=x",
		"too long":    strings.Repeat("x", maxToken+1),
	} {
		t.Run(name, func(t *testing.T) {
			err := src.Login(t.Context(), quietUI{paste: func() string { return text }}, LoginOptions{Way: WayPaste})
			wantError(t, err, KindFailed)
		})
	}
	if len(f.requests) != 0 {
		t.Errorf("requests %v", f.requests)
	}
}

func FuzzPaste(f *testing.F) {
	f.Add("http://localhost:1/?code=c&state=s")
	f.Add("code=c&state=s#x")
	f.Add("4%2F0Ab")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parsePasted(text, "s")
		if err == nil && !q.Has("code") && !q.Has("error") {
			t.Errorf("no code in %v", q)
		}
		if err == nil && q.Has("state") && q.Get("state") != "s" {
			t.Errorf("state %q accepted", q.Get("state"))
		}
	})
}

func TestLoginWithoutRefreshTokenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.dialect = func(answer map[string]any) { delete(answer, "refresh_token") }
		src := NewSource(mustNew(t, f.config()), NewStore(t.TempDir()), "work")
		err := src.Login(t.Context(), quietUI{}, LoginOptions{Way: WayDevice})
		wantError(t, err, KindConfig)
	})
}

func TestDeviceLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		conf := f.config()
		conf.Flow = provider.Device
		src := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
		f.fail(refuse(400, "authorization_pending", ""), refuse(400, "slow_down", ""), refuse(502, "", ""), hang,
			refuse(400, "authorization_pending", ""))
		var shown DeviceCode
		start := time.Now()
		err := src.Login(t.Context(), quietUI{code: func(d DeviceCode) { shown = d }}, LoginOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if shown.Code != "ABCD-EFGH" || shown.URL != "https://example.org/device" {
			t.Errorf("shown %+v", shown)
		}
		// 5, 5, then 10 after slow_down; after the failures 10 and 15 twice.
		if d := time.Since(start); d < 60*time.Second || d > 100*time.Second {
			t.Errorf("took %v", d)
		}
		wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
	})
}

func TestDeviceLoginEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault http.HandlerFunc
		in    map[string]any
		kind  Kind
	}{
		{"denied", refuse(400, "access_denied", ""), nil, KindDenied},
		{"declined", refuse(400, "authorization_declined", ""), nil, KindDenied},
		{"expired", refuse(400, "expired_token", ""), nil, KindExpired},
		{"never answered", nil, map[string]any{"expires_in": 30}, KindExpired},
		{"no expiry", nil, map[string]any{"expires_in": 0}, KindExpired},
		{"silly expiry", nil, map[string]any{"expires_in": -1}, KindExpired},
		{"endless", nil, map[string]any{"expires_in": int64(1) << 60, "interval": -5}, KindExpired},
		{"slow", nil, map[string]any{"interval": int64(1) << 62}, KindExpired},
		{"unknown client", refuse(401, "invalid_client", "device-SECRET"), nil, KindConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.deviceIn = c.in
				conf := f.config()
				conf.Flow = provider.Device
				src := NewSource(mustNew(t, conf), NewStore(t.TempDir()), "work")
				for range 1000 {
					f.fail(refuse(400, "authorization_pending", ""))
				}
				if c.fault != nil {
					f.faults[2] = c.fault
				}
				start := time.Now()
				err := src.Login(t.Context(), quietUI{}, LoginOptions{Timeout: 20 * time.Minute})
				wantError(t, err, c.kind)
				if d := time.Since(start); d > 20*time.Minute {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

func TestHostileDeviceAnswers(t *testing.T) {
	for name, in := range map[string]map[string]any{
		"escape in code": {"user_code": "AB\x1b[2J"},
		"no code":        {"user_code": ""},
		"script":         {"verification_uri": "javascript:alert(1)"},
		"plain http":     {"verification_uri": "http://example.org/"},
		"no device code": {"device_code": ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.deviceIn = in
			src := NewSource(mustNew(t, f.config()), NewStore(t.TempDir()), "work")
			err := src.Login(t.Context(), quietUI{}, LoginOptions{Way: WayDevice})
			wantError(t, err, KindProtocol)
		})
	}
}
