package rcfile

import (
	"net"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// Effect is what becomes of an option of an account; text is what stands
// behind its name in the table of options: a key, or a reason.
type Effect func(a *Account, o Option, text string)

// Row is a row of a table of options.
type Row struct {
	// Name is the option in one spelling.
	Name string
	// Kinds are words for the program's own grammar.
	Kinds []string
	// Verb is the word for the effect, which gets Text.
	Verb, Text string
	effect     Effect
}

// Rows is a table of options by each spelling of their names.
type Rows map[string]Row

// Table reads a table of options, one or more a line:
//
//	NAME[/SPELLING...]... [(KIND...)]: [VALUE,...?] [VERB [TEXT]]
//
// With values, the effect is for these, or with ! for all others. Without a
// verb, or with later, the option is read together with others.
func Table(text string) Rows {
	rows, effects := Rows{}, effects()
	for line := range strings.Lines(text) {
		names, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || names[0] == '#' {
			continue
		}
		names, kinds, _ := strings.Cut(names, "(")
		verb, arg, _ := strings.Cut(strings.TrimSpace(rest), " ")
		values, conditional := strings.CutSuffix(verb, "?")
		if conditional {
			verb, arg, _ = strings.Cut(arg, " ")
		}
		effect := effects[verb]
		if conditional {
			effect = effect.when(values)
		}
		for _, name := range strings.Fields(names) {
			spellings := strings.Split(name, "/")
			for _, s := range spellings {
				rows[s] = Row{spellings[0], strings.Fields(strings.TrimSuffix(strings.TrimSpace(kinds), ")")), verb, arg, effect}
			}
		}
	}
	return rows
}

// when is e for some values of the option; others have no effect.
func (e Effect) when(values string) Effect {
	values, others := strings.CutPrefix(values, "!")
	return func(a *Account, o Option, text string) {
		if slices.Contains(strings.Split(values, ","), strings.ToLower(o.Value)) != others {
			e(a, o, text)
		}
	}
}

// Reason is why the option is left out if nothing else has become of it.
func (r Row) Reason() string {
	if r.Verb == "drop" || r.Verb == "later" {
		return r.Text
	}
	return "has no counterpart"
}

// Is reports whether the row has a kind.
func (r Row) Is(kind string) bool { return slices.Contains(r.Kinds, kind) }

// Apply applies the row's effect, and reports whether it has one.
func (r Row) Apply(a *Account, o Option) bool {
	if r.effect != nil {
		r.effect(a, o, r.Text)
	}
	return r.effect != nil
}

// Apply applies the effects of options to an account: own ones, or those of
// the table. It drops options that the table does not have.
func (rows Rows) Apply(a *Account, own map[string]func(Option), options ...Option) {
	for _, o := range options {
		row, known := rows[o.Name]
		switch effect := own[o.Name]; {
		case effect != nil:
			effect(o)
		case known:
			row.Apply(a, o)
		default:
			a.Drop(o, "is an unknown option")
		}
	}
}

// Apply is Rows.Apply for options that concern no single account.
func (r *Result) Apply(rows Rows, options ...Option) {
	var a Account
	rows.Apply(&a, nil, options...)
	r.Notes = append(r.Notes, a.Notes...)
}

// effects are the words for effects in a table.
func effects() map[string]Effect {
	return map[string]Effect{
		"drop": (*Account).Drop, "change": (*Account).Change, "carry": (*Account).Carry, "lose": (*Account).Lose,
		"host":     func(a *Account, o Option, _ string) { a.Host = o.Value; a.Carry(o, "server") },
		"user":     func(a *Account, o Option, _ string) { a.User = o.Value; a.Carry(o, "user") },
		"port":     servicePort,
		"password": func(a *Account, o Option, _ string) { a.PutSecret(o, "password", o.Value) },
		"put":      putWord,
		"words": func(a *Account, o Option, text string) {
			key, words, _ := strings.Cut(text, " ")
			putWords(a, o, key, words)
		},
		"auth":    Auth,
		"seconds": func(a *Account, o Option, key string) { n, _ := Int(o.Value); PutSeconds(a, o, key, n) },
		"file":    func(a *Account, o Option, key string) { a.PutFile(o, key, o.Value) },
		"file-secret": func(a *Account, o Option, key string) {
			if p, err := a.path(o, o.Value); err == nil {
				a.Put(o, key, config.Pair("file", p))
			}
		},
		"command": PutCommand,
		"cert-for": func(a *Account, o Option, _ string) {
			if config.ValidHost(o.Value) {
				a.Put(o, "server_name", o.Value)
			}
		},
		"received":    func(a *Account, o Option, _ string) { a.Put(o, "headers", config.Pair("received", true)) },
		"fetch-all":   FetchAll,
		"no-verify":   func(a *Account, o Option, _ string) { a.Drop(o, NoVerify) },
		"old-tls":     func(a *Account, o Option, _ string) { a.Drop(o, OldTLS) },
		"fingerprint": func(a *Account, o Option, _ string) { a.Drop(o, fingerprint) },
	}
}

// Reasons that several programs share.
const (
	NoVerify    = "mailhaul always checks certificates: set ca_file or pin if the server's is self-signed"
	OldTLS      = "mailhaul accepts TLS 1.2 and newer: if the server has only an older version, set min_version or legacy"
	fingerprint = "is the hash of a whole certificate, which changes at each renewal; pin needs the hash of its public key: mailhaul check --connect shows it"
)

func putWord(a *Account, o Option, text string) {
	key, word, _ := strings.Cut(text, " ")
	a.Put(o, key, config.Word(word))
}

// putWords sets a key to a word. words holds the values that may stand there,
// each as VALUE or VALUE=WORD; no WORD is the default.
func putWords(a *Account, o Option, key, words string) bool {
	for _, w := range strings.Fields(words) {
		value, word, other := strings.Cut(w, "=")
		if !other {
			word = value
		}
		if value != o.Value {
			continue
		}
		if a.Carry(o, key); word != "" {
			a.Set(key, config.Word(word))
		}
		return true
	}
	return false
}

// Auth sets the way to log in, one of words.
func Auth(a *Account, o Option, words string) {
	if !putWords(a, o, "auth", words) {
		a.Drop(o, "is not supported; auto takes the strongest that the server offers")
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

// PutCommand sets a key to a command that went to a shell.
func PutCommand(a *Account, o Option, key string) {
	if argv := Command(o.Value); argv != nil {
		a.Put(o, key, argv)
	} else {
		a.Drop(o, "cannot be written as a command")
		a.Unsure = "a command could not be carried over: see " + key
	}
}

// servicePort sets the port, also from the name of a service.
func servicePort(a *Account, o Option, _ string) {
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

// Keep keeps all mail on the server, or none.
func Keep(a *Account, all bool) {
	a.Set("keep", map[bool]config.Word{true: "all", false: "none"}[all])
}

// KeepDays keeps mail on the server for n days.
func KeepDays(a *Account, o Option, n int64) { a.Put(o, "keep", config.Pair("days", int(n))) }

// FetchAll is the effect of an option that fetches known messages again.
func FetchAll(a *Account, o Option, _ string) {
	a.Change(o, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
}
