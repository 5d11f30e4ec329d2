// Package interop tests package oauth with real parts: tokens of an OpenID
// provider (zitadel/oidc), checked by Dovecot. It is a module of its own, so
// that the provider's many modules are not mailhaul's.
package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/oauth"
)

const (
	native        = "mailhaul"
	machine       = "sid1" // the example storage's service user
	machineSecret = "verysecret"
	password      = "a password"
	user          = "alice"
	domain        = "example.org"
)

// users has one user, whose id is the mailbox's name.
type users struct{}

func (users) GetUserByID(id string) *storage.User {
	if id != user {
		return nil
	}
	return &storage.User{ID: user, Username: user, Password: password}
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }
func (users) ExampleClientID() string                       { return "none" }

// store changes the example storage where it is only an example.
type store struct {
	*storage.Storage
	mu        sync.Mutex
	refreshes int
	life      time.Duration // of access tokens; 0 for the example's 5 minutes
}

// live sets the life of access tokens to come.
func (s *store) live(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// count is how many refreshes there were.
func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshes
}

// end is when a token ends that the storage says ends at t.
func (s *store) end(t time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == 0 {
		return t
	}
	return time.Now().Add(s.life)
}

func (s *store) CreateAccessToken(ctx context.Context, r op.TokenRequest) (string, time.Time, error) {
	id, end, err := s.Storage.CreateAccessToken(ctx, r)
	return id, s.end(end), err
}

// client is a registration that may do all that mailhaul does, with JWTs.
type client struct{ op.Client }

func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode, oidc.GrantTypeClientCredentials}
}
func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) IsScopeAllowed(scope string) bool    { return strings.HasPrefix(scope, "https://") }

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// ClientCredentialsTokenRequest lets the machine act for the mailbox.
func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: user, Audience: []string{id}, Scopes: scopes}, nil
}

func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	if current != "" {
		s.mu.Lock()
		s.refreshes++
		s.mu.Unlock()
	}
	if state, ok := r.(*op.DeviceAuthorizationState); ok {
		r = &storage.RefreshTokenRequest{RefreshToken: &storage.RefreshToken{
			ApplicationID: state.ClientID, UserID: state.Subject, Audience: state.Audience, Scopes: state.Scopes, AuthTime: time.Now(),
		}}
	}
	id, refresh, end, err := s.Storage.CreateAccessAndRefreshTokens(ctx, r, current)
	return id, refresh, s.end(end), err
}

// expiryOf reads the end of a JWT; nothing is verified.
func expiryOf(jwt string) (time.Time, bool) {
	parts := strings.Split(jwt, ".")
	var claims struct{ Exp int64 }
	if len(parts) != 3 {
		return time.Time{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	ok := err == nil && json.Unmarshal(raw, &claims) == nil
	return time.Unix(claims.Exp, 0), ok && claims.Exp > 0
}

// provider is a running OpenID provider.
type provider struct {
	url   string
	store *store
	roots *x509.CertPool // nil without TLS
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	return newProvider(t, nil)
}

// newProvider starts one; with a ca it speaks TLS, and answers what mail
// programs look up with settings.
func newProvider(t *testing.T, ca *pop3test.CA, settings ...func(p *provider) string) *provider {
	t.Helper()
	clients := map[string]*storage.Client{native: storage.NativeClient(native, "http://localhost/back", "http://127.0.0.1")}
	p := &provider{store: &store{Storage: storage.NewStorageWithClients(users{}, clients)}}
	srv := httptest.NewUnstartedServer(nil)
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	p.url = "http://localhost:" + port + "/"
	if ca != nil {
		p.url = "https://localhost:" + port + "/"
		p.roots = ca.CertPool()
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Leaf("localhost")}}
	}
	mux := http.NewServeMux()
	mux.Handle("/", exampleop.SetupServer(p.url, p.store, slog.New(slog.NewTextHandler(io.Discard, nil)), false))
	for _, text := range settings {
		mux.HandleFunc("/"+domain, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text(p)) })
	}
	srv.Config.Handler = mux
	t.Cleanup(srv.Close)
	if ca == nil {
		srv.Start()
	} else {
		srv.StartTLS()
	}
	return p
}

// keys are the provider's public keys as Dovecot wants them.
func (p *provider) keys(t *testing.T) map[string][]byte {
	t.Helper()
	set, err := p.store.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, k := range set {
		der, err := x509.MarshalPKIXPublicKey(k.Key())
		if err != nil {
			t.Fatal(err)
		}
		out["default/"+string(k.Algorithm())+"/"+k.ID()] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	return out
}

func (p *provider) config() oauth.Config {
	return oauth.Config{
		Provider: "custom", ClientID: native, Redirect: "http://localhost/back",
		AuthURL: p.url + "auth", TokenURL: p.url + "oauth/token", DeviceURL: p.url + "device_authorization", RevokeURL: p.url + "revoke",
		Scopes: []string{"openid", "offline_access", "https://mail.example/pop"},
	}
}

// person consents to everything, in a browser without a screen.
type person struct {
	t     *testing.T
	p     *provider
	ended string // where the browser ended, if nobody answers there
}

func (h *person) ShowURL(u string, _ bool) {
	h.browse(u)
}

// browse logs in at the provider and follows it back.
func (h *person) browse(u string) {
	h.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: h.p.roots}},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Query().Has("code") {
				h.ended = r.URL.String()
			}
			return nil
		}}
	resp, err := c.Get(u)
	if err != nil {
		h.t.Error(err)
		return
	}
	resp.Body.Close()
	form := url.Values{"username": {user}, "password": {password}, "id": {resp.Request.URL.Query().Get("authRequestID")}}
	resp, err = c.PostForm(h.p.url+"login/username", form)
	if err != nil {
		return // nobody listens: the person pastes
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		h.t.Errorf("the browser ended with status %d", resp.StatusCode)
	}
}

func (h *person) ShowDeviceCode(d oauth.DeviceCode) {
	if err := h.p.store.CompleteDeviceAuthorization(h.t.Context(), d.Code, user); err != nil {
		h.t.Error(err)
	}
}

func (h *person) ReadPasted(context.Context) (string, error) { return h.ended, nil }
