package rcfile

import (
	"net"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// Effect is what becomes of an option of an account.
type Effect func(a *Account, o Option)

// Rows is a table of options: the effect of those whose names are in the key,
// with blanks between them.
type Rows map[string]Effect

// Apply applies the effect of the option, and reports whether there is one.
func (rows Rows) Apply(a *Account, o Option) bool {
	for names, effect := range rows {
		if slices.Contains(strings.Fields(names), o.Name) {
			effect(a, o)
			return true
		}
	}
	return false
}

// Apply applies the effect of an option that concerns no single account.
func (r *Result) Apply(rows Rows, o Option) {
	var a Account
	if !rows.Apply(&a, o) {
		a.Drop(o, "has no counterpart")
	}
	r.Notes = append(r.Notes, a.Notes...)
}

// Drop is the effect that calls Account.Drop.
func Drop(why string) Effect { return func(a *Account, o Option) { a.Drop(o, why) } }

// Change is the effect that calls Account.Change.
func Change(why string) Effect { return func(a *Account, o Option) { a.Change(o, why) } }

// Carry is the effect that calls Account.Carry.
func Carry(key string) Effect { return func(a *Account, o Option) { a.Carry(o, key) } }

// Lose is the effect that calls Account.Lose.
func Lose(why string) Effect { return func(a *Account, o Option) { a.Lose(o, why) } }

// Later is the effect of an option that is read together with others.
func Later(*Account, Option) {}

// Put is the effect that calls Account.Put with a value of its own.
func Put(key string, value any) Effect {
	return func(a *Account, o Option) { a.Put(o, key, value) }
}

// Text stores the option's value, which a key of the YAML takes.
func Text(value *string, key string) Effect {
	return func(a *Account, o Option) {
		*value = o.Value
		a.Carry(o, key)
	}
}

// When is e for some values of the option; others have no effect.
func (e Effect) When(fits func(value string) bool) Effect {
	return func(a *Account, o Option) {
		if fits(o.Value) {
			e(a, o)
		}
	}
}

// Words sets a key to a word. words holds the values that may stand there, each
// as VALUE or VALUE=WORD; no WORD is the default. For another value the option
// is dropped, unless why is empty.
func Words(key, words, why string) Effect {
	return func(a *Account, o Option) {
		for _, w := range strings.Fields(words) {
			value, word, other := strings.Cut(w, "=")
			if !other {
				word = value
			}
			switch {
			case value != o.Value:
			case word == "":
				a.Carry(o, key)
				return
			default:
				a.Put(o, key, config.Word(word))
				return
			}
		}
		if why != "" {
			a.Drop(o, why)
		}
	}
}

// Auth is Words for the ways to log in.
func Auth(words string) Effect {
	return Words("auth", words, "is not supported; auto takes the strongest that the server offers")
}

// Seconds sets a key to a duration in seconds.
func Seconds(key string) Effect {
	return func(a *Account, o Option) {
		n, _ := Int(o.Value)
		PutSeconds(a, o, key, n)
	}
}

// PutSeconds sets a key to a duration of n seconds.
func PutSeconds(a *Account, o Option, key string, n int64) {
	if n < 1 || n > 366*86400 {
		a.Drop(o, "is out of range; the default holds")
		return
	}
	a.Put(o, key, Duration(n))
}

// File sets a key to a file's path, which starts at base.
func File(key, base string) Effect {
	return func(a *Account, o Option) { a.PutFile(o, key, o.Value, base) }
}

// ServerName sets the name that the certificate is for.
func ServerName(a *Account, o Option) {
	if config.ValidHost(o.Value) {
		a.Put(o, "server_name", o.Value)
	}
}

// CommandKey sets a key to a command that went to a shell.
func CommandKey(key string) Effect {
	return func(a *Account, o Option) {
		if argv := Command(o.Value); argv != nil {
			a.Put(o, key, argv)
		} else {
			a.Drop(o, "cannot be written as a command")
			a.Unsure = "a command could not be carried over: see " + key
		}
	}
}

// ServicePort sets the port, also from the name of a service.
func ServicePort(a *Account, o Option) {
	switch strings.ToLower(o.Value) {
	case "pop3", "pop-3":
		a.Port = 110
	case "pop3s":
		a.Port = 995
	default:
		a.Port = Port(o.Value)
	}
	if a.Port == 0 {
		a.Drop(o, "is not a POP3 port: write server: HOST:PORT")
		a.Unsure = "its port could not be carried over: see server"
	} else {
		a.Carry(o, "server")
	}
}

// PutProxy sets the proxy, to whose login user and password belong if they are
// not empty. Without it the account would connect past the proxy: then it is
// disabled.
func PutProxy(a *Account, o Option, scheme, host, port, user, password string) {
	if a.Has("tunnel") {
		a.Drop(o, "has no effect on an account that connects by a command")
		return
	}
	if !config.ValidHost(host) || Port(port) == 0 {
		a.Drop(o, "write proxy: socks5://HOST:PORT, or a mapping with user and password")
		a.Unsure = "its proxy could not be carried over: see proxy"
		return
	}
	url := scheme + "://" + net.JoinHostPort(host, port)
	if user == "" {
		a.Put(o, "proxy", url)
		return
	}
	a.Put(o, "proxy", config.Pair("url", url).And("user", user).And("password", a.Secret("proxy-password", password)))
}

// KeepDays keeps mail on the server for n days.
func KeepDays(a *Account, o Option, n int64) { a.Put(o, "keep", config.Pair("days", int(n))) }

// FetchAll is the effect of an option that fetches known messages again.
func FetchAll(a *Account, o Option) {
	a.Change(o, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
}

// NoVerify is the effect of an option that turns certificate checks off.
func NoVerify(a *Account, o Option) {
	a.Drop(o, "mailhaul always checks certificates: set ca_file or pin if the server's is self-signed")
}

// OldTLS is the effect of an option that allows an old version of TLS.
func OldTLS(a *Account, o Option) {
	a.Drop(o, "mailhaul accepts TLS 1.2 and newer: if the server has only an older version, set min_version or legacy")
}
