package config

import (
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

// finishAccount completes and checks an account when its keys are read. Nothing that
// it needs of the file is needed afterwards.
func (w *walker) finishAccount(a *Account) {
	k := &checker{w, a, join("accounts", a.Name)}
	k.exclusive("every", "cron")
	k.exclusive("proxy", "tunnel")
	k.exclusive("oauth", "token")
	k.exclusive("timeout", "timeouts.idle")
	k.complete()
	k.required()
	a.checkSecurity(k)
	a.checkLogin(k)
	k.retention()
	k.targets()
	if a.Enabled {
		k.a.checkFiles(k) // a disabled account may be for another machine
	}
	if first, twice := w.accounts.ids[a.ID]; twice && a.ID != "" {
		k.fail("id", "is the same mailbox as %s (%s): both would share one list of what was fetched; remove one, or give it an id of its own", join("accounts", first), a.ID)
	} else {
		w.accounts.ids[a.ID] = a.Name
	}
	w.checkLast()
	clear(w.marks.own)
}

// checkLast checks what could not be checked before all keys were read.
func (w *walker) checkLast() {
	for _, check := range w.last {
		check()
	}
	w.last = nil
}

// own and has implement keyed.
func (k *checker) own(name string) bool { return k.w.has(k.path, name) }
func (k *checker) has(name string) bool { return k.own(name) || k.w.has("defaults", name) }

// isMapping reports whether the value of a key is set, and has keys of its own.
func (k *checker) isMapping(name string) bool {
	m, ok := k.place(name)
	return ok && m.value.Kind == yaml.MappingNode
}

// place is where a key is set: in the account, else in defaults.
func (k *checker) place(name string) (m mark, ok bool) {
	if m, ok = k.w.marks.get(join(k.path, name)); !ok {
		m, ok = k.w.marks.get(join("defaults", name))
	}
	return m, ok
}

// isWord reports whether a key, the account's own or else the inherited one, is set
// to a word.
func (k *checker) isWord(name, word string) bool {
	m, ok := k.place(name)
	return ok && m.value.Value == word
}

// fail reports a mistake at the value of a key, or at the account if no key of
// that name is set.
func (k *checker) fail(name, format string, args ...any) {
	m, ok := k.place(name)
	if !ok {
		m, _ = k.w.marks.get(k.path)
		k.w.errorf(m.key, k.path, format, args...)
		return
	}
	k.w.errorf(m.value, m.path, format, args...)
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
	k.historic()
	if a.Server.Host != "" && a.Server.Port == 0 {
		a.Server.Port = a.usualPort()
	}
	a.Remote.complete(k)
	if a.ID == "" && a.User != "" && a.Server.Host != "" {
		a.ID = defaultID(a)
	}
	if a.Schedule.Cron != nil {
		a.Schedule.Every = 0
	}
	if !k.has("jitter") {
		a.Schedule.Jitter = defaultJitter(a.Schedule.Every)
	}
	a.Within(a.Helper)
	if a.OAuth != nil && a.OAuth.Key == "" {
		a.OAuth = a.OAuth.as(a.Name)
	}
}

// historic is about POP2 and KPOP, which have their own ideas of TLS and logins.
func (k *checker) historic() {
	a := k.a
	switch {
	case k.isWord("protocol", "pop2"):
		if k.has("tls") && !a.Server.Security.Clear() {
			k.fail("tls", "conflicts with protocol: pop2, which has no TLS: write none")
		}
		if a.Auth != sasl.Auto && a.Auth != sasl.Password {
			k.fail("auth", "conflicts with protocol: pop2, which knows nothing but user and password")
		}
		a.Server.Security = pop3.POP2
	case a.Auth == sasl.KPOP && a.Server.Security == pop3.STLS:
		k.fail("tls", "conflicts with auth: kpop, whose ticket comes before anything else: write implicit or none")
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

func (k *checker) retention() {
	if k.a.Policy.Gmail == plan.GmailRecent && !k.a.Policy.Keep.All() && k.has("gmail") {
		k.fail("keep", "conflicts with gmail: recent, which must not delete")
	}
	if k.a.Policy.Recipients.Unknown.Quarantine && k.a.Policy.OnReject == plan.KeepOnServer {
		k.fail("to.unknown", "conflicts with on_reject: keep, without which there is no quarantine")
	}
}
