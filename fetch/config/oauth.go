package config

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// OAuth is a login: how those who use it get their access tokens. Who makes the client
// sets Proxy and Transport.
type OAuth struct {
	oauth.Config
	// Login is what people call it: its name under logins, else its account, or
	// ACCOUNT/KIND in a target. Key names its tokens in the store.
	Login, Key string
	// Via is the proxy to the provider; nil: that of the environment.
	Via *Proxy
	// ClientSecret is what Secret resolves.
	ClientSecret Secret
	// Keyring keeps tokens in the system's keyring and not in files.
	Keyring bool
	// KeyringLimit is how long a call to it may take; 0: what is usual.
	KeyringLimit time.Duration
	// Group means that the group of the token file may use it.
	Group bool
}

// Identity is its name, the same for all who use it: that of a target must not change
// when an account is disabled, as Login does.
func (o *OAuth) Identity() string { return strings.TrimPrefix(o.Key, keyPrefix) }

// Custom reports whether there is no preset.
func (o *OAuth) Custom() bool { return o.Provider == "custom" }

func oauthMapping() Kind[OAuth] {
	return mapping("a mapping", OAuth{}, oauthKeys, checkOAuth)
}

func oauthKeys(o *OAuth) []Row {
	return []Row{
		On("provider", "", "name of a preset, or `custom`", providerKind(), &o.Provider),
		On("client_id", "", "id of the client that you registered with the provider", Text("a string"), &o.ClientID),
		On("client_secret", "", "secret of that client, if it has one", SecretOf(), &o.ClientSecret),
		On("flow", "browser", "how to authorise: `browser`, `device`, `client_credentials` or `service_account`", OneOf(provider.Browser, provider.Device, provider.ClientCredentials, provider.ServiceAccount), &o.Flow),
		On("tenant", "the preset's", "Microsoft tenant, by id or domain", Text("a string"), &o.Tenant),
		On("auth_url", "the preset's", "authorisation endpoint", webURL(), &o.AuthURL),
		On("token_url", "the preset's", "token endpoint", webURL(), &o.TokenURL),
		On("device_url", "the preset's", "device authorisation endpoint", webURL(), &o.DeviceURL),
		On("revoke_url", "the preset's", "revocation endpoint, for logout", webURL(), &o.RevokeURL),
		On("scopes", "the preset's", "one or several scopes to ask for", OneOrMore(Text("a string"), "a scope or a list of scopes"), &o.Scopes),
		On("auth_style", "auto", "how client_id and client_secret are sent: `auto`, `basic` or `body`", OneOf(provider.AnyStyle, provider.InBody, provider.InHeader), &o.AuthStyle),
		On("redirect", "the preset's", "loopback address that you registered, without a port", redirect(), &o.Redirect),
		On("redirect_port", "any", "loopback port of the browser flow", Integer(1, 65535), &o.RedirectPort),
		On("certificate", "", "PEM file with a certificate for client_credentials, instead of a secret", Path(), &o.Certificate),
		On("key", "certificate", "PEM file with the key of the certificate", Path(), &o.Key),
		On("service_account", "", "JSON key file from Google", Path(), &o.ServiceAccount),
		On("subject", "user", "user that a service account acts for", Text("a string"), &o.Subject),
		On("tokens", "file", "where tokens are kept: `file` or `keyring`", Choice("file keyring", false, true), &o.Keyring),
	}
}

// redirect decodes the address that the browser comes back to.
func redirect() Kind[string] {
	return Parsed("an http URL of this machine without a port", func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" || u.Port() != "" || u.RawQuery != "" || u.Fragment != "" ||
			u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
			return "", errors.New("wants http://127.0.0.1 or http://localhost, perhaps with a path; the port is redirect_port")
		}
		return s, nil
	})
}

// providerKind decodes the name of a preset.
func providerKind() Kind[string] {
	return Parsed("a provider's name", func(s string) (string, error) {
		known := append([]string{"custom"}, provider.Names()...)
		if !slices.Contains(known, s) {
			return "", notOneOf("one of "+strings.Join(known, ", "), s, DidYouMean(s, known))
		}
		return s, nil
	})
}

// checkOAuth reports what a flow lacks.
func checkOAuth(w *walker, path string, n *yaml.Node, o *OAuth) {
	o.Group = w.opts.group
	need := func(name, why string) {
		if !w.has(path, name) {
			w.errorf(n, path, "wants %s (%s)", name, why)
		}
	}
	need("provider", "a preset such as google, or custom")
	flow := "flow: " + o.Flow.String()
	if o.Flow == provider.ServiceAccount {
		need("service_account", flow+" signs with its key file")
		return
	}
	need("client_id", "register mailhaul with the provider to get one")
	if o.Custom() {
		need("token_url", "provider: custom has no preset")
	}
	switch o.Flow {
	case provider.Browser:
		if o.Custom() {
			need("auth_url", "provider: custom has no preset")
		}
	case provider.Device:
		if o.Custom() {
			need("device_url", "provider: custom has no preset")
		}
	case provider.ClientCredentials:
		if !w.has(path, "certificate") {
			need("client_secret", flow+" needs it, or a certificate")
		} else if w.has(path, "client_secret") {
			w.errorf(n, path, "has both client_secret and certificate: one is enough")
		}
	}
	if w.has(path, "key") && !w.has(path, "certificate") {
		w.errorf(n, path, "has a key but no certificate")
	}
	o.Key = cmp.Or(o.Key, o.Certificate)
}
