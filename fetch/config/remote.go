package config

import (
	"cmp"
	"crypto/tls"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// NewRemote returns a server with the built-in defaults.
func NewRemote() Remote {
	return Remote{
		Server: pop3.Server{Connect: 30 * time.Second, Idle: time.Minute, LF: true},
		TLS:    TLS{MinVersion: tls.VersionTLS12},
	}
}

// Secrets are those of the login and of the way to the server, zero ones included.
func (r *Remote) Secrets() []Secret {
	list := []Secret{r.Password, r.Token}
	if r.OAuth != nil {
		list = append(list, r.OAuth.ClientSecret)
		if r.OAuth.Via != nil {
			list = append(list, r.OAuth.Via.Password)
		}
	}
	if r.Route.Proxy != nil {
		list = append(list, r.Route.Proxy.Password)
	}
	return list
}

// Files are those that a connection reads, empty names included. Secrets have
// their own.
func (r *Remote) Files() []string {
	list := []string{r.TLS.CAFile, r.TLS.ClientCert, r.TLS.ClientKey, r.Kerberos.Config, r.Kerberos.Keytab, r.Kerberos.CCache}
	if o := r.OAuth; o != nil {
		list = append(list, o.Certificate, o.Key, o.ServiceAccount, o.CAFile)
	}
	return list
}

func (r *Remote) serverKey(doc string) Row {
	return given("server", "", doc, HostPort(), func(s Server) { r.Server.Host, r.Server.Port = s.Host, s.Port })
}

// Keys is the table of the server of a target, whose usual ports are ports. Methods
// are the logins that its protocol has.
func (r *Remote) Keys(ports string, methods ...sasl.Method) []Row {
	return slices.Concat([]Row{
		r.serverKey("server as `HOST` or `HOST:PORT`; the port is " + ports),
		On("tls", "implicit", "how the connection is protected: `implicit`, `starttls` or `none`",
			Choice("implicit starttls none", pop3.ImplicitTLS, pop3.STLS, pop3.Plain), &r.Server.Security),
	}, r.LoginKeys(methods...), r.tlsKeys(), []Row{r.timeoutKey("longest wait for the server")}, r.routeKeys())
}

// LoginKeys is the table of the login at the server of a target.
func (r *Remote) LoginKeys(methods ...sasl.Method) []Row {
	return append(r.secretKeys(methods), OAuthRow(&r.OAuth))
}

// CheckLogin says what is wrong with a login that a target need not have.
func (r *Remote) CheckLogin(at Place) {
	secret := at.Has("password") || at.Has("token") || at.Has("oauth")
	if at.Has("user") != secret {
		at.Errorf("", "wants both user and one of password, oauth and token, or none of them")
	}
	r.oneSecret(at)
	r.checkLogin(at)
	r.checkFilesAt(at)
}

// checkFilesAt is checkFiles for a target, once it is known whether its account is disabled:
// that may be for another machine.
func (r *Remote) checkFilesAt(at Place) {
	at.w.last = append(at.w.last, func() {
		if !at.disabled() {
			r.checkFiles(at)
		}
	})
}

// oneSecret reports keys that conflict.
func (r *Remote) oneSecret(at Place) {
	for _, pair := range [][2]string{{"password", "token"}, {"password", "oauth"}, {"oauth", "token"}} {
		if at.Has(pair[0]) && at.Has(pair[1]) {
			at.Errorf(pair[1], "conflicts with %s: remove one of the two", pair[0])
		}
	}
}

// WebKeys is the table of the server of a target that is reached by HTTP.
func (r *Remote) WebKeys() []Row {
	return r.webKeys("",
		On("user", "", "login name; none is needed with a token", Text("a string"), &r.User),
		On("password", "", "password, a secret", SecretOf(), &r.Password),
		On("token", "", "access token, a secret, in place of user and password", SecretOf(), &r.Token))
}

// APIKeys is WebKeys for a server that is known and takes tokens only. User says whose
// mailbox it is.
func (r *Remote) APIKeys(user string) []Row {
	return r.webKeys(r.Server.Host,
		On("user", "", user, Text("a string"), &r.User),
		On("token", "", "access token, a secret, in place of oauth", SecretOf(), &r.Token))
}

func (r *Remote) webKeys(server string, login ...Row) []Row {
	take := func(s Server) { r.Server.Host, r.Server.Port = s.Host, s.Port }
	return slices.Concat([]Row{
		given("server", server, "server as `HOST` or `HOST:PORT`; the port is 443", HostPort(), take),
		On("tls", "implicit", "how the connection is protected: `implicit` or `none`",
			Choice("implicit none", pop3.ImplicitTLS, pop3.Plain), &r.Server.Security),
	}, login, []Row{OAuthRow(&r.OAuth)}, r.tlsKeys(), []Row{r.timeoutKey("longest wait for the server")}, r.routeKeys())
}

// CheckAPI is Check for APIKeys.
func (r *Remote) CheckAPI(at Place) {
	if !at.Has("token") {
		at.Needs("oauth")
	}
	r.check(at)
	if o := r.OAuth; o != nil && o.Flow == provider.ServiceAccount && o.Subject == "" && r.User == "" {
		at.Errorf("oauth", "is a service account: set user, whose mailbox it is")
	}
}

// CheckWeb is Check for WebKeys.
func (r *Remote) CheckWeb(at Place) {
	at.Needs("server")
	if !at.Has("token") && !at.Has("oauth") {
		at.Needs("user")
	}
	r.check(at)
}

// Check completes the server of a target and says what is wrong with it.
func (r *Remote) Check(at Place) {
	for _, name := range []string{"server", "user"} {
		if name != "user" || r.Auth != sasl.External {
			at.Needs(name)
		}
	}
	r.check(at)
	r.checkLogin(at)
}

func (r *Remote) check(at Place) {
	if at.Has("proxy") && at.Has("tunnel") {
		at.Errorf("tunnel", "conflicts with proxy: remove one of the two")
	}
	r.oneSecret(at)
	r.complete(at)
	r.checkSecurity(at)
	r.checkFilesAt(at)
	at.Login(r)
}

func (r *Remote) tlsKeys() []Row {
	return []Row{
		On("ca_file", "the system's", "PEM file with the certificates of the authorities to trust", Path(), &r.TLS.CAFile),
		On("server_name", "the host", "host name that the certificate must have", HostName(), &r.TLS.ServerName),
		On("pin", "", "public keys to accept, each as sha256/BASE64 of the SubjectPublicKeyInfo", OneOrMore(pin(), "a pin or a list of pins"), &r.TLS.Pins),
		On("client_cert", "", "PEM file with the client certificate", Path(), &r.TLS.ClientCert),
		On("client_key", "client_cert", "PEM file with the key of the client certificate", Path(), &r.TLS.ClientKey),
		On("min_version", "1.2", "oldest TLS version to accept: `1.0`, `1.1`, `1.2` or `1.3`",
			Choice("1.0 1.1 1.2 1.3", uint16(tls.VersionTLS10), tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13), &r.TLS.MinVersion),
		On("legacy", "false", "allow TLS 1.0 and weak ciphers, for a server that has nothing else", Boolean(), &r.TLS.Legacy),
		On("insecure", "false", "allow a login without TLS to another machine", Boolean(), &r.Server.Insecure),
	}
}

func (r *Remote) timeoutKey(doc string) Row {
	return On("timeout", "60s", doc, Duration(time.Second), &r.Server.Idle)
}

func (r *Remote) routeKeys() []Row {
	return []Row{
		On("proxy", "", "proxy to connect through, as socks5://HOST:PORT or http://HOST:PORT (CONNECT)",
			either(proxyURL("a URL, or a mapping of url, user, password"),
				pointer(mapping("a mapping of url, user, password", Proxy{}, proxyKeys, checkProxy))), &r.Route.Proxy),
		On("tunnel", "", "command whose standard input and output are the connection", Command(), &r.Route.Tunnel),
		On("bind", "", "local IP address to connect from", Parsed("an IP address", parseAddr), &r.Route.Bind),
	}
}

func (r *Remote) secretKeys(methods []sasl.Method) []Row {
	return []Row{
		On("user", "", "login name", Text("a string"), &r.User),
		On("auth", "auto", "how to log in; `auto` takes the strongest offered mechanism that there is a secret for", OneOf(methods...), &r.Auth),
		On("password", "", "password, a secret", SecretOf(), &r.Password),
		On("token", "", "OAuth2 access token, a secret, for auth xoauth2 and oauthbearer", SecretOf(), &r.Token),
	}
}

// keyed is a mapping whose keys are judged together: an account, or a target.
type keyed interface {
	// own and has report whether the mapping itself, or it or what it inherits
	// from, sets a key.
	own(name string) bool
	has(name string) bool
	// fail reports a mistake at a key, or at the mapping if the key is not set.
	fail(name, format string, args ...any)
}

// complete fills in what follows from other keys.
func (r *Remote) complete(k keyed) {
	if r.TLS.Legacy && !k.has("min_version") {
		r.TLS.MinVersion = tls.VersionTLS10
	}
	r.TLS.ClientKey = cmp.Or(r.TLS.ClientKey, r.TLS.ClientCert)
	r.Bind()
}

// Bind lets a reusable secret be sent without TLS to this machine and through a
// tunnel, and gives the secrets the host and user to look up.
func (r *Remote) Bind() {
	r.Server.Insecure = r.Server.Insecure || len(r.Route.Tunnel) > 0 || Loopback(r.Server.Host)
	r.Password = r.Password.Bind(r.Server.Host, r.User)
	r.Token = r.Token.Bind(r.Server.Host, r.User)
}

// Within bounds how long the helpers that yield its secrets may take; 0: as usual.
func (r *Remote) Within(limit time.Duration) {
	r.Password, r.Token = r.Password.Within(limit), r.Token.Within(limit)
	if p := r.Route.Proxy; p != nil {
		own := *p // it may be shared through defaults
		own.Password = p.Password.Within(limit)
		r.Route.Proxy = &own
	}
}

// checkSecurity is about a connection without TLS, and TLS keys that have no use.
func (r *Remote) checkSecurity(k keyed) {
	if r.Server.Host != "" && r.Server.Security.Clear() && !r.Server.Insecure {
		k.fail("tls", "none to another machine: anyone on the way can read password and mail (insecure: true allows it)")
	}
	if r.Server.Security.Clear() {
		for _, name := range []string{"ca_file", "pin", "client_cert", "min_version", "server_name", "legacy"} {
			if k.own(name) {
				k.fail(name, "has no use with tls: none")
			}
		}
	}
	if k.own("client_key") && !k.has("client_cert") {
		k.fail("client_key", "has no use without client_cert")
	}
	if r.TLS.Legacy && k.own("min_version") && k.own("legacy") && r.TLS.MinVersion == tls.VersionTLS13 {
		k.fail("legacy", "has no use with min_version: 1.3")
	}
}

// checkLogin is about auth and the secrets it needs. Only what the mapping itself
// sets can contradict it: defaults may hold a secret that others use.
func (r *Remote) checkLogin(k keyed) {
	unused := func(names ...string) {
		for _, name := range names {
			if k.own(name) {
				k.fail(name, "has no use with auth: %s", r.Auth)
			}
		}
	}
	switch r.Auth {
	case sasl.Auto:
	case sasl.XOAUTH2, sasl.OAUTHBEARER:
		if r.OAuth == nil && r.Token.IsZero() && !k.has("oauth") && !k.has("token") {
			k.fail("auth", "%s needs oauth: or token:", r.Auth)
		}
		unused("password")
	case sasl.External:
		if !k.has("client_cert") {
			k.fail("auth", "external needs client_cert")
		}
		unused("password", "oauth", "token")
	case sasl.GSSAPI, sasl.KPOP:
		unused("password", "oauth", "token")
	default:
		if !k.has("password") && r.Password.IsZero() {
			k.fail("auth", "%s needs password:", r.Auth)
		}
		unused("oauth", "token")
	}
}

// checkFiles looks at the files that are named.
func (r *Remote) checkFiles(k keyed) {
	checkFile(k, "ca_file", r.TLS.CAFile)
	checkFile(k, "client_cert", r.TLS.ClientCert)
	checkFile(k, "client_key", r.TLS.ClientKey)
	checkSecret(k, "password", r.Password)
	checkSecret(k, "token", r.Token)
	if r.OAuth != nil {
		r.OAuth.checkFiles(k, "oauth.")
	}
}

func checkFile(k keyed, name, path string) {
	if path == "" || !k.has(name) {
		return
	}
	if err := Readable(path); err != nil {
		k.fail(name, "%v", err)
	}
}

// checkSecret checks that a secret's file can be used, without keeping it.
func checkSecret(k keyed, name string, s Secret) {
	if s.Kind() != SecretFile {
		return
	}
	if _, err := readSecret(s.d().name, &s.d().opts); err != nil {
		k.fail(name+".file", "%s: %v", s.d().name, err)
	}
}
