package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

const day = 24 * time.Hour

// attended reports whether a flow needs a person, once.
func attended(f provider.Flow) bool { return f == provider.Browser || f == provider.Device }

// Config says how one account is authorised. Empty endpoints and scopes are
// those of the provider's preset.
type Config struct {
	// Provider is a preset's name or alias, or "custom".
	Provider string
	ClientID string
	// Secret yields the client secret when it is needed; nil: there is none.
	Secret func(ctx context.Context) (string, error)
	// Tenant is Microsoft's.
	Tenant                                  string
	AuthURL, TokenURL, DeviceURL, RevokeURL string
	Scopes                                  []string
	// Uses are what the tokens are for: they decide the scopes of a preset. None: POP3.
	Uses []provider.Use
	Flow provider.Flow
	// AuthStyle is how the client authenticates; provider.AnyStyle: as the
	// preset says, or else what the provider takes.
	AuthStyle provider.AuthStyle
	// Redirect is the loopback address without port that is registered, with
	// a path if it has one; empty: the preset's, or http://127.0.0.1.
	Redirect string
	// RedirectPort is its port; 0: any free one.
	RedirectPort int
	// Certificate and Key are PEM files that sign in instead of Secret. An
	// empty Key means that Certificate holds both.
	Certificate, Key string
	// ServiceAccount is Google's JSON key file, and Subject the user to act
	// as.
	ServiceAccount, Subject string
	// LoginHint preselects the user on the provider's page; may be empty.
	LoginHint string
	// CAFile is a PEM file of further roots to trust, for own providers.
	CAFile string
	// Timeout bounds each request; zero: 30 s.
	Timeout time.Duration
	// Proxy is the way to the endpoints; nil: the environment's proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Transport replaces the HTTP transport (tests); nil for the usual one
	// with the environment's proxy.
	Transport http.RoundTripper
}

// Client is a checked Config: one registration at one provider. It may
// be shared between goroutines.
type Client struct {
	conf   Config
	preset provider.Preset
	base   http.RoundTripper
	// lastStyle is the provider.AuthStyle that worked last.
	lastStyle *atomic.Uint32
}

// New checks c, completes it from the preset, and reports all that is wrong
// with it at once, as an *Error of KindConfig. Key files are read when needed,
// the CA file now.
func New(c Config) (*Client, error) {
	p, err := presetFor(&c)
	if err != nil {
		return nil, configError(c.Provider, err)
	}
	cl := &Client{conf: complete(c, p), preset: p, lastStyle: new(atomic.Uint32)}
	if err := cl.check(); err != nil {
		return nil, configError(p.Name, err)
	}
	if cl.base, err = newTransport(&cl.conf); err != nil {
		return nil, configError(p.Name, err)
	}
	return cl, nil
}

// Preset returns the provider's preset. Of "custom", it has a name only.
func (c *Client) Preset() *provider.Preset { return &c.preset }

// Flow returns the flow that was configured.
func (c *Client) Flow() provider.Flow { return c.conf.Flow }

// subject is whom a token without a login is for: of another one it is useless.
func (c *Config) subject() string {
	if c.Flow != provider.ServiceAccount {
		return ""
	}
	return c.Subject + " by " + c.ServiceAccount
}

func configError(provider string, err error) *Error {
	return &Error{Kind: KindConfig, Op: OpConfig, Provider: provider, Err: err}
}

func presetFor(c *Config) (provider.Preset, error) {
	if c.Provider == "custom" {
		return provider.Preset{
			Name: "custom", Title: "the provider", Redirect: "http://127.0.0.1",
			Flows: []provider.Flow{provider.Browser, provider.Device, provider.ClientCredentials, provider.ServiceAccount},
		}, nil
	}
	p := provider.OfPreset(c.Provider)
	if p == nil {
		return provider.Preset{}, fmt.Errorf("provider %q is not known", c.Provider)
	}
	if c.Flow == provider.ClientCredentials && p.OAuth.AppPreset != "" {
		p = provider.OfPreset(p.OAuth.AppPreset)
	}
	return *p.OAuth, nil
}

// complete fills what is empty from the preset.
func complete(c Config, p provider.Preset) Config {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.Tenant, p.Tenant)
	fill(&c.AuthURL, p.AuthURL)
	fill(&c.TokenURL, p.TokenURL)
	fill(&c.DeviceURL, p.DeviceURL)
	fill(&c.RevokeURL, p.RevokeURL)
	fill(&c.Redirect, p.Redirect)
	fill(&c.Key, c.Certificate)
	for _, u := range []*string{&c.AuthURL, &c.TokenURL, &c.DeviceURL, &c.RevokeURL} {
		*u = strings.ReplaceAll(*u, "{tenant}", url.PathEscape(c.Tenant))
	}
	if len(c.Uses) == 0 {
		c.Uses = []provider.Use{provider.POP}
	}
	if len(c.Scopes) == 0 {
		c.Scopes, _ = p.ScopesFor(c.Uses...)
	} else {
		c.Uses = nil // whoever names the scopes knows what they are for
	}
	c.Scopes = slices.Clone(c.Scopes)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	return c
}

func (c *Client) check() error {
	var errs []error
	need := func(value, name, why string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is needed: %s", name, why))
		}
	}
	conf, flow := &c.conf, "flow "+c.conf.Flow.String()
	if !c.preset.Allows(conf.Flow) {
		errs = append(errs, fmt.Errorf("%s is not possible with %s", flow, c.preset.Name))
	}
	if conf.Flow != provider.ServiceAccount {
		need(conf.ClientID, "client_id", "register a client with the provider to get one")
		need(conf.TokenURL, "token_url", flow)
	}
	switch conf.Flow {
	case provider.Browser:
		need(conf.AuthURL, "auth_url", flow)
	case provider.Device:
		need(conf.DeviceURL, "device_url", flow)
	case provider.ClientCredentials:
		if conf.Secret == nil {
			need(conf.Certificate, "a client secret or certificate", flow)
		}
	case provider.ServiceAccount:
		need(conf.ServiceAccount, "service_account", flow)
	}
	if _, missing := c.preset.ScopesFor(conf.Uses...); c.preset.Name != "custom" {
		for _, u := range missing {
			errs = append(errs, fmt.Errorf("no scope for %s is known of %s: name it in scopes", u, c.preset.Name))
		}
	}
	if strings.Contains(c.preset.TokenURL, "{tenant}") {
		need(conf.Tenant, "tenant", "the application is registered in one")
	}
	if conf.Flow == provider.ClientCredentials && slices.Contains([]string{"organizations", "common", "consumers"}, conf.Tenant) {
		errs = append(errs, fmt.Errorf("tenant %q is no tenant: %s needs its id or domain", conf.Tenant, flow))
	}
	return errors.Join(append(errs, c.checkURLs()...)...)
}

func (c *Client) checkURLs() []error {
	var errs []error
	for name, value := range map[string]string{
		"auth_url": c.conf.AuthURL, "token_url": c.conf.TokenURL, "device_url": c.conf.DeviceURL, "revoke_url": c.conf.RevokeURL,
	} {
		if err := checkURL(value); value != "" && err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	u, err := url.Parse(c.conf.Redirect)
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) || u.Port() != "" {
		errs = append(errs, errors.New("redirect is not an http URL of this machine without a port"))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// checkURL accepts https, and http to this machine: secrets go there.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "":
		return errors.New("not a URL")
	case u.User != nil:
		return errors.New("a URL with a user name")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("not https: secrets would be sent in the clear")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// library is the client as x/oauth2 wants it.
func (c *Client) library(secret, redirect string, style provider.AuthStyle) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.conf.ClientID, ClientSecret: secret, RedirectURL: redirect, Scopes: c.conf.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: c.conf.AuthURL, TokenURL: c.conf.TokenURL, DeviceAuthURL: c.conf.DeviceURL, AuthStyle: libraryStyle(style),
		},
	}
}
