package config

import (
	"crypto/tls"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"gopkg.in/yaml.v3"
)

// checker looks at one account as a whole.
type checker struct {
	w    *walker
	a    *Account
	path string
}

// finish completes and checks each account, then what must be unique.
func (w *walker) finish(c *Config) {
	ids := map[string]*Account{}
	for _, a := range c.Accounts {
		k := &checker{w, a, join("accounts", a.Name)}
		k.exclusive("every", "cron")
		k.exclusive("proxy", "tunnel")
		k.exclusive("oauth", "token")
		k.exclusive("timeout", "timeouts.idle")
		k.complete()
		k.required()
		k.security()
		k.login()
		k.retention()
		k.targets()
		if a.Enabled {
			k.files()
		}
		if first := ids[a.ID]; first != nil && a.ID != "" {
			k.fail("id", "is the same mailbox as %s (%s): both would share one list of what was fetched; remove one, or give it an id of its own", join("accounts", first.Name), a.ID)
		} else {
			ids[a.ID] = a
		}
	}
}

// own and has report whether the account itself, or it or defaults, set a key.
func (k *checker) own(name string) bool { return k.w.has(k.path, name) }
func (k *checker) has(name string) bool { return k.own(name) || k.w.has("defaults", name) }

// isMapping reports whether the value of a key is set, and has keys of its own.
func (k *checker) isMapping(name string) bool {
	for _, at := range []string{join(k.path, name), join("defaults", name)} {
		if m, ok := k.w.marks[at]; ok {
			return m.value.Kind == yaml.MappingNode
		}
	}
	return false
}

// fail reports a mistake at the value of a key, or at the account if no key of
// that name is set.
func (k *checker) fail(name, format string, args ...any) {
	for _, at := range []string{join(k.path, name), join("defaults", name)} {
		if m, ok := k.w.marks[at]; ok {
			k.w.errorf(m.value, at, format, args...)
			return
		}
	}
	k.w.errorf(k.w.marks[k.path].key, k.path, format, args...)
}

// exclusive reports two keys that cannot both hold. An account's own key
// displaces the other one in defaults.
func (k *checker) exclusive(x, y string) {
	switch {
	case k.own(x) && k.own(y):
		k.fail(y, "conflicts with %s: remove one of the two", x)
	case k.own(x):
		k.unset(y)
	case k.own(y):
		k.unset(x)
	case k.has(x) && k.has(y):
		k.fail(y, "conflicts with %s: remove one of the two", x)
	}
}

// unset clears a key that was inherited.
func (k *checker) unset(name string) {
	switch name {
	case "every":
		k.a.Schedule.Every = 0
	case "cron":
		k.a.Schedule.Cron = nil
	case "proxy":
		k.a.Route.Proxy = nil
	case "tunnel":
		k.a.Route.Tunnel = nil
	case "oauth":
		k.a.OAuth = nil
	case "token":
		k.a.Token = Secret{}
	}
}

// complete fills in what follows from other keys.
func (k *checker) complete() {
	a := k.a
	if a.Server.Host != "" && a.Server.Port == 0 {
		a.Server.Port = a.Server.Security.Port()
	}
	a.allowPlain()
	if a.ID == "" && a.User != "" && a.Server.Host != "" {
		a.ID = defaultID(a)
	}
	if a.Schedule.Cron != nil {
		a.Schedule.Every = 0
	}
	if !k.has("jitter") {
		a.Schedule.Jitter = defaultJitter(a.Schedule.Every)
	}
	if a.TLS.Legacy && !k.has("min_version") {
		a.TLS.MinVersion = tls.VersionTLS10
	}
	if a.TLS.ClientKey == "" {
		a.TLS.ClientKey = a.TLS.ClientCert
	}
	a.Password = a.Password.Bind(a.Server.Host, a.User)
	a.Token = a.Token.Bind(a.Server.Host, a.User)
	if a.OAuth != nil {
		a.OAuth = a.OAuth.of(a)
	}
}

func (k *checker) required() {
	for _, name := range []string{"server", "user", "deliver"} {
		if name == "user" && (k.a.Auth == sasl.External || k.a.Auth == sasl.GSSAPI) && k.own("id") {
			continue // the certificate or ticket says who we are
		}
		if !k.has(name) {
			k.fail(name, "%s is missing", name)
		}
	}
}

// security is about a connection without TLS, and TLS keys that have no use.
func (k *checker) security() {
	a := k.a
	if a.Server.Host != "" && a.Server.Security == pop3.Plain && !a.Server.Insecure {
		k.fail("tls", "none to another machine: anyone on the way can read password and mail (insecure: true allows it)")
	}
	if a.Server.Security == pop3.Plain {
		for _, name := range []string{"ca_file", "pin", "client_cert", "min_version", "server_name", "legacy"} {
			if k.own(name) {
				k.fail(name, "has no use with tls: none")
			}
		}
	}
	if k.own("client_key") && !k.has("client_cert") {
		k.fail("client_key", "has no use without client_cert")
	}
	if a.TLS.Legacy && k.own("min_version") && k.own("legacy") && a.TLS.MinVersion == tls.VersionTLS13 {
		k.fail("legacy", "has no use with min_version: 1.3")
	}
}

// login is about auth and the secrets it needs. Only what the account itself
// sets can contradict it: defaults may hold a secret that others use.
func (k *checker) login() {
	a := k.a
	bearer := a.OAuth != nil || !a.Token.IsZero()
	switch a.Auth {
	case sasl.Auto:
	case sasl.XOAUTH2, sasl.OAUTHBEARER:
		if !bearer && !k.has("oauth") && !k.has("token") {
			k.fail("auth", "%s needs oauth: or token:", a.Auth)
		}
		k.unused("password")
	case sasl.External:
		if !k.has("client_cert") {
			k.fail("auth", "external needs client_cert")
		}
		k.unused("password", "oauth", "token")
	case sasl.GSSAPI:
		k.unused("password", "oauth", "token")
	default:
		if !k.has("password") && a.Password.IsZero() {
			k.fail("auth", "%s needs password:", a.Auth)
		}
		k.unused("oauth", "token")
	}
}

func (k *checker) unused(names ...string) {
	for _, name := range names {
		if k.own(name) {
			k.fail(name, "has no use with auth: %s", k.a.Auth)
		}
	}
}

func (k *checker) retention() {
	if k.a.Policy.Gmail == plan.GmailRecent && !k.a.Policy.Keep.All() && k.has("gmail") {
		k.fail("keep", "conflicts with gmail: recent, which must not delete")
	}
}

// files looks at the files that the account names. A disabled account may be
// for another machine.
func (k *checker) files() {
	a := k.a
	k.file("ca_file", a.TLS.CAFile)
	k.file("client_cert", a.TLS.ClientCert)
	k.file("client_key", a.TLS.ClientKey)
	k.secretFile("password", a.Password)
	k.secretFile("token", a.Token)
	if o := a.OAuth; o != nil {
		k.secretFile("oauth.client_secret", o.ClientSecret)
		k.file("oauth.certificate", o.Certificate)
		k.file("oauth.key", o.Key)
		k.file("oauth.service_account", o.ServiceAccount)
	}
}

func (k *checker) file(name, path string) {
	if path == "" || !k.has(name) {
		return
	}
	if err := Readable(path); err != nil {
		k.fail(name, "%v", err)
	}
}

// secretFile checks that a secret's file can be used, without keeping it.
func (k *checker) secretFile(name string, s Secret) {
	if s.Kind() != SecretFile {
		return
	}
	if _, err := readSecret(s.d().name, true); err != nil {
		k.fail(name+".file", "%s: %v", s.d().name, err)
	}
}
