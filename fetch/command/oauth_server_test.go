package command

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// authServer is an authorisation server on a loopback port. Every secret it gives
// out, and the client's, holds the word SECRET, so that a leak of any can be
// searched for. It rotates refresh tokens and knows which access tokens are
// good.
type authServer struct {
	*httptest.Server
	pad    int    // characters added to access tokens
	refuse string // error code that answers each refresh and assertion; empty: none
	deny   string // error code with which the browser comes back; empty: with a code
	words  string // its description
	scope  string

	mu      sync.Mutex
	n       int
	grants  []url.Values // requests to the token endpoint
	codes   map[string]string
	refresh string
	good    map[string]bool
	revoked []string
}

const clientSecret = "client-SECRET-0123456789"

func newAuthServer(t *testing.T) *authServer {
	t.Helper()
	p := &authServer{codes: map[string]string{}, good: map[string]bool{}, scope: "mail"}
	mux := http.NewServeMux()
	mux.HandleFunc("/auth", p.auth)
	mux.HandleFunc("/token", p.token)
	mux.HandleFunc("/device", p.device)
	mux.HandleFunc("/revoke", p.revoke)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *authServer) auth(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	q := r.URL.Query()
	code := fmt.Sprintf("code-SECRET-%d", p.n)
	p.codes[code] = q.Get("code_challenge")
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.deny != "" {
		back = url.Values{"error": {p.deny}, "state": {q.Get("state")}}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *authServer) device(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{"device_code": "device-SECRET", "user_code": "ABCD-EFGH",
		"verification_uri": "https://example.org/device", "expires_in": 600, "interval": 1})
}

func (p *authServer) revoke(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, r.FormValue("token"))
	p.refresh = ""
}

func (p *authServer) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants = append(p.grants, r.Form)
	person, code := p.judge(r.Form)
	w.Header().Set("Content-Type", "application/json")
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": code,
			"error_description": cmp.Or(p.words, "Token has been expired or revoked.")})
		return
	}
	p.n++
	access := fmt.Sprintf("access-SECRET-%d.%s", p.n, strings.Repeat("t", p.pad))
	p.good[access] = true
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3600, "scope": p.scope}
	if person {
		p.refresh = fmt.Sprintf("refresh-SECRET-%d", p.n)
		answer["refresh_token"] = p.refresh
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// judge reports whether a person is behind a request, or why it is refused.
func (p *authServer) judge(f url.Values) (person bool, refused string) {
	switch f.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		challenge, ok := p.codes[f.Get("code")]
		delete(p.codes, f.Get("code"))
		if !ok || challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return false, "invalid_grant"
		}
		return true, ""
	case "refresh_token":
		if p.refuse != "" {
			return false, p.refuse
		}
		if f.Get("refresh_token") != p.refresh {
			return false, "invalid_grant"
		}
		return true, ""
	case "urn:ietf:params:oauth:grant-type:device_code":
		return true, ""
	case "client_credentials":
		return false, ""
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return false, p.refuse
	}
	return false, "unsupported_grant_type"
}

// accepts is what a mail server asks; forget makes it refuse all it knows.
func (p *authServer) accepts(_, token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.good[token]
}

func (p *authServer) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.good)
}

func (p *authServer) refusing(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = code
}

// saying sets the description of an error.
func (p *authServer) saying(words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words = words
}

// asked counts the requests of one grant type.
func (p *authServer) asked(grantType string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.grants {
		if f.Get("grant_type") == grantType {
			n++
		}
	}
	return n
}

// oauthLines are the account's oauth mapping, with more lines in it.
func (p *authServer) oauthLines(more ...string) string {
	lines := append([]string{"oauth:", "provider: custom", "client_id: client-1", "client_secret: {env: TEST_CLIENT}",
		"auth_url: " + p.URL + "/auth", "token_url: " + p.URL + "/token", "device_url: " + p.URL + "/device",
		"revoke_url: " + p.URL + "/revoke", "scopes: mail"}, more...)
	return strings.Join(lines, "\n  ")
}

// bearerServer is a POP3 server that takes the provider's tokens.
func (p *authServer) bearerServer(t *testing.T, o pop3test.Options) (*pop3test.Server, pop3test.Options) {
	t.Helper()
	if o.Mechanisms == nil {
		o.Mechanisms = []string{"XOAUTH2", "OAUTHBEARER"}
	}
	if o.Token == nil {
		o.Token = p.accepts
	}
	o.NoUSER = true
	return serve(t, dropOf(letters(5)), o), o
}

// oauthLab is an account at a bearerServer.
func oauthLab(t *testing.T, p *authServer, o pop3test.Options, oauth ...string) (*lab, *pop3test.Server) {
	t.Helper()
	l := newLab(t)
	s, o := p.bearerServer(t, o)
	l.account(append(l.to(s, o), p.oauthLines(oauth...))...)
	return l, s
}

var urlLine = regexp.MustCompile(`(?m)^http://\S+$`)

// login runs login and plays the person with a browser.
func (l *lab) login(args ...string) outcome {
	l.t.Helper()
	return l.loginTo("lab", args...)
}

func (l *lab) loginTo(name string, args ...string) outcome {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := l.command(ctx, append([]string{"-vv", "login", name}, args...)...)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	var stderr, shown strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		shown.WriteString(line)
		if err != nil {
			break
		}
		if u := strings.TrimSpace(line); urlLine.MatchString(u) {
			if ended := browse(l.t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, u); ended != "" {
				fmt.Fprintln(stdin, ended)
			}
		}
	}
	_ = cmd.Wait()
	return outcome{code: cmd.ProcessState.ExitCode(), out: shown.String(), err: stderr.String()}
}

// browse opens the address as a browser does. It returns the one it ended at if
// nobody answers there.
func browse(t *testing.T, c *http.Client, address string) (ended string) {
	t.Helper()
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		ended = r.URL.String()
		return nil
	}
	resp, err := c.Get(address)
	if err != nil {
		return ended
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the browser ended with status %d, %v", resp.StatusCode, err)
	}
	return ""
}
