//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// provider is an OAuth2 provider that replaces the refresh token at each use.
// The older tokens are good until a newer one was used: so new tokens must be
// durable before they are.
type provider struct {
	url string

	mu           sync.Mutex
	issued, used int
}

func newProvider() (*provider, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &provider{url: fmt.Sprintf("http://%s", l.Addr())}
	go http.Serve(l, p) //nolint:errcheck,gosec // for the life of this process
	return p, nil
}

// ServeHTTP is the token endpoint.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, ok := p.good("refresh", r.FormValue("refresh_token"))
	w.Header().Set("Content-Type", "application/json")
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_grant", "error_description": fmt.Sprintf("token %d was replaced", n)})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issued++
	_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": 3600,
		"access_token": fmt.Sprint("access", p.issued), "refresh_token": fmt.Sprint("refresh", p.issued)})
}

// good checks a token of a kind and returns its number.
func (p *provider) good(kind, token string) (n int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Sscanf(token, kind+"%d", &n)
	return n, err == nil && n >= p.used && n <= p.issued
}

// login is the mail server's question whether an access token is good.
func (p *provider) login(_, token string) bool {
	n, ok := p.good("access", token)
	if ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.used = n
	}
	return ok
}

// set makes the provider what it was in a world.
func (p *provider) set(w world) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issued, p.used = w.issued, w.used
}

func (p *provider) get() (issued, used int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issued, p.used
}

// file is a token file whose access token has expired.
func (p *provider) file() string {
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"format":1,"seq":1,"provider":"custom","client_id":"box","token_url":%q,"logged_in":%[2]q,"issued":%[2]q,`+
		`"expiry":%[2]q,"asked":["mail"],"scopes":["mail"],"tokens":{"access_token":"access0","refresh_token":"refresh0"}}`, p.url, past)
}
