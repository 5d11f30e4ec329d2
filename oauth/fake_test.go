package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// rotation is what a provider does with refresh tokens.
type rotation uint8

const (
	noRotation rotation = iota // as Google
	keepsOld                   // as Microsoft: a new one each time, old ones stay good
	untilUsed                  // the old one is good until the new one is used
	strict                     // a reused one revokes the whole login
)

func (r rotation) String() string { return [...]string{"none", "keepsOld", "untilUsed", "strict"}[r] }

const (
	clientID     = "client-1"
	clientSecret = "client-SECRET"
)

// fake is an authorisation server. All its secrets hold the word SECRET.
type fake struct {
	t        testing.TB
	rotation rotation
	life     time.Duration // of access tokens
	dialect  func(answer map[string]any)
	date     time.Duration // added to the Date header
	deviceIn map[string]any

	mu       sync.Mutex
	faults   []http.HandlerFunc // each answers one request to /token
	n        int
	refresh  map[string]bool // good refresh tokens
	used     map[string]bool // refresh tokens that were exchanged
	parent   map[string]string
	codes    map[string]url.Values // authorisation requests by code
	requests []url.Values          // to /token
	revoked  []string
}

func newFake(t testing.TB) *fake {
	return &fake{t: t, life: time.Hour, refresh: map[string]bool{}, used: map[string]bool{},
		parent: map[string]string{}, codes: map[string]url.Values{}}
}

// fail makes the next requests to the token endpoint end so.
func (f *fake) fail(hs ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, hs...)
}

// seen returns the requests of one grant type.
func (f *fake) seen(grantType string) []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []url.Values
	for _, r := range f.requests {
		if r.Get("grant_type") == grantType {
			out = append(out, r)
		}
	}
	return out
}

func refuse(status int, code, description string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, status, map[string]any{"error": code, "error_description": description})
	}
}

// hang answers nothing until the client gives up.
func hang(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func reply(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(f.date).UTC().Format(http.TimeFormat))
	_ = r.ParseForm()
	switch r.URL.Path {
	case "/authorize":
		f.authorize(w, r)
	case "/device":
		answer := map[string]any{"device_code": "device-SECRET", "user_code": "ABCD-EFGH",
			"verification_uri": "https://example.org/device", "expires_in": 900}
		for k, v := range f.deviceIn {
			answer[k] = v
		}
		reply(w, 200, answer)
	case "/token":
		f.token(w, r)
	case "/revoke":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revoked = append(f.revoked, r.Form.Get("token"))
	default:
		http.NotFound(w, r)
	}
}

// authorize consents at once and sends the browser back.
func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	code := fmt.Sprintf("code-SECRET-%d", f.n)
	f.codes[code] = r.Form
	q := url.Values{"code": {code}, "state": {r.Form.Get("state")}}
	http.Redirect(w, r, r.Form.Get("redirect_uri")+"?"+q.Encode(), http.StatusFound)
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Form)
	var fault http.HandlerFunc
	if len(f.faults) > 0 {
		fault, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if code := f.check(r); code != "" {
		reply(w, 400, map[string]any{"error": code, "error_description": "refused " + r.Form.Encode()}) // echoes secrets
		return
	}
	reply(w, 200, f.issue(r.Form))
}

// check returns the error code for a request, "" if it is right.
func (f *fake) check(r *http.Request) string {
	form := r.Form
	switch form.Get("grant_type") {
	case "authorization_code":
		asked, ok := f.codes[form.Get("code")]
		delete(f.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
			asked.Get("code_challenge_method") != "S256" || asked.Get("redirect_uri") != form.Get("redirect_uri") {
			return "invalid_grant"
		}
	case "refresh_token":
		return f.checkRefresh(form.Get("refresh_token"))
	case "client_credentials":
		if form.Get("client_secret") != clientSecret && form.Get("client_assertion") == "" {
			return "invalid_client"
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		if form.Get("device_code") != "device-SECRET" {
			return "invalid_grant"
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
	default:
		return "unsupported_grant_type"
	}
	return ""
}

func (f *fake) checkRefresh(token string) string {
	if f.used[token] && f.rotation == strict {
		clear(f.refresh) // reuse detection: nobody knows who the thief is
	}
	if !f.refresh[token] {
		return "invalid_grant"
	}
	if p := f.parent[token]; f.rotation == untilUsed && p != "" {
		delete(f.refresh, p)
	}
	f.used[token] = true
	return ""
}

func (f *fake) issue(form url.Values) map[string]any {
	f.n++
	answer := map[string]any{"access_token": fmt.Sprintf("at-SECRET-%d", f.n), "token_type": "Bearer",
		"expires_in": int(f.life / time.Second)}
	switch form.Get("grant_type") {
	case "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer":
	default:
		old := form.Get("refresh_token")
		if old == "" || f.rotation != noRotation {
			next := fmt.Sprintf("rt-SECRET-%d", f.n)
			f.refresh[next], f.parent[next] = true, old
			answer["refresh_token"] = next
			if f.rotation == strict {
				delete(f.refresh, old)
			}
		}
	}
	if f.dialect != nil {
		f.dialect(answer)
	}
	return answer
}

// seed makes a refresh token known, as if a person had logged in.
func (f *fake) seed(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh[token] = true
}

// RoundTrip serves without a network, so that synctest's clock can run.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// config is a client of the fake, without a network.
func (f *fake) config() Config {
	const base = "http://127.0.0.1:1"
	return Config{
		Provider: "custom", ClientID: clientID, AuthURL: base + "/authorize", TokenURL: base + "/token",
		DeviceURL: base + "/device", RevokeURL: base + "/revoke", Scopes: []string{"mail"}, Transport: f,
	}
}

// listen serves the fake on a loopback port and points c at it.
func (f *fake) listen(c *Config) {
	srv := httptest.NewServer(f)
	f.t.Cleanup(srv.Close)
	c.AuthURL, c.TokenURL, c.DeviceURL, c.RevokeURL = srv.URL+"/authorize", srv.URL+"/token", srv.URL+"/device", srv.URL+"/revoke"
	c.Transport = nil
}

func mustNew(t testing.TB, c Config) *Client {
	t.Helper()
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// loggedIn is a source whose access token is about to expire.
func loggedIn(t testing.TB, f *fake, c *Client, s *Store) *Source {
	t.Helper()
	src := NewSource(c, s, "work")
	r := src.newRecord()
	now := time.Now()
	r.apply(&grant{access: "at-SECRET-0", refresh: "rt-SECRET-0", issued: now.Add(-59 * time.Minute), expiry: now.Add(time.Minute)})
	if err := s.save(t.Context(), "work", r); err != nil {
		t.Fatal(err)
	}
	f.seed("rt-SECRET-0")
	return src
}

// newSource is loggedIn without a network.
func newSource(t testing.TB, f *fake) *Source {
	return loggedIn(t, f, mustNew(t, f.config()), NewStore(t.TempDir()))
}

// quietUI is a person that answers as the test says.
type quietUI struct {
	url   func(url string)
	code  func(DeviceCode)
	paste func() string
}

func (u quietUI) ShowURL(s string, _ bool) {
	if u.url != nil {
		u.url(s)
	}
}

func (u quietUI) ShowDeviceCode(d DeviceCode) {
	if u.code != nil {
		u.code(d)
	}
}

func (u quietUI) ReadPasted(ctx context.Context) (string, error) {
	if u.paste == nil {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return u.paste(), nil
}
