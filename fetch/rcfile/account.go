package rcfile

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Option is one option as the other program reads it.
type Option struct {
	// File and Line are where it stands; Line is 0 for a default.
	File string
	Line int
	// Name and Value are what the program reads there.
	Name, Value string
	// Text is what was written, with secrets as ***; it may hold any bytes.
	Text string
}

// As returns the option with another text.
func (o Option) As(text string) Option {
	o.Text = text
	return o
}

// Account is one account of the other program.
type Account struct {
	// Name is its key in the YAML.
	Name string
	// Start is where it starts; its Name is what the other program calls it.
	Start Option
	// Server is where it logs in: Host, Port, Security and Insecure.
	pop3.Server
	User string
	// Enabled is false for an account that was disabled, or that cannot work
	// yet; Unsure is the reason.
	Enabled bool
	Unsure  string
	// Notes are in the order of the file.
	Notes []Note
	// Targets are the elements of deliver.
	Targets []config.Map
	// SeenFile is the account's own list of seen messages, if it has one.
	SeenFile string

	keys    config.Map // the other keys, in the order in which they were set
	secrets []SecretFile
	result  *Result
}

// Value returns what a key of the account is set to, or nil.
func (a *Account) Value(key string) any {
	if i := slices.IndexFunc(a.keys, func(e config.Entry) bool { return e.Key == key }); i >= 0 {
		return a.keys[i].Value
	}
	return nil
}

// Has reports whether a key is set.
func (a *Account) Has(key string) bool { return a.Value(key) != nil }

// Unset removes a key.
func (a *Account) Unset(key string) {
	a.keys = slices.DeleteFunc(slices.Clone(a.keys), func(e config.Entry) bool { return e.Key == key })
}

// Set adds a key of the account, or replaces its value.
func (a *Account) Set(key string, value any) {
	a.Unset(key)
	a.keys = a.keys.And(key, value)
}

// Put sets a key from an option and notes that.
func (a *Account) Put(o Option, key string, value any) {
	a.Set(key, value)
	a.Carry(o, key)
}

func (a *Account) note(kind NoteKind, o Option, why string) {
	a.Notes = append(a.Notes, Note{kind, o.File, o.Line, o.Text, why})
}

// Drop notes that the YAML does not have the option.
func (a *Account) Drop(o Option, why string) { a.note(Dropped, o, why) }

// Change notes that the option has another meaning in the YAML, or needs a
// check.
func (a *Account) Change(o Option, why string) { a.note(Changed, o, why) }

// Carry notes the key that the option became.
func (a *Account) Carry(o Option, key string) { a.note(Carried, o, key) }

// Lose is Drop for a target: it also disables the account.
func (a *Account) Lose(o Option, why string) {
	a.Drop(o, why)
	if a.Unsure == "" {
		a.Unsure = strings.TrimSpace("a target could not be carried over: check deliver " + o.Text)
	}
}

// Noted reports whether a note is about the option.
func (a *Account) Noted(o Option) bool {
	return slices.ContainsFunc(a.Notes, func(n Note) bool { return n.File == o.File && n.Line == o.Line && n.Option == o.Text })
}

// Rest adds the note of an option that has none: no option gets lost silently.
func (a *Account) Rest(o Option) {
	switch strings.ToLower(o.Value) {
	case "", "off", "no", "false", "none", "0":
		a.Carry(o, "mailhaul does so by default")
	default:
		a.Drop(o, "has no effect here")
	}
}

// path turns a path of the program into one for the YAML.
func (a *Account) path(o Option, path string) (string, error) {
	f, options, base := a.result.Format, a.result.Options, filepath.Dir(o.File)
	if f.Expand != nil {
		path = f.Expand(options, path)
	}
	if f.AtHome {
		base = cmp.Or(options.Home, base)
	}
	return yamlPath(path, base)
}

// PutFile sets a key to the path of an existing file: config refuses others.
func (a *Account) PutFile(o Option, key, path string) {
	p, err := a.path(o, path)
	if err != nil {
		a.Drop(o, err.Error())
		return
	}
	if _, err := Load(a.result.Options.Tilde(strings.ReplaceAll(p, "$$", "$")), MaxConfig); err != nil {
		a.Drop(o, "cannot be read on this machine: set "+key)
		return
	}
	a.Put(o, key, p)
}

// PutSecret sets a key to a secret that was in plain text.
func (a *Account) PutSecret(o Option, key, value string) {
	if strings.ContainsAny(value, "\r\n\x00") || value == "" {
		a.Drop(o, "is empty or has more than one line: no login can send it")
		return
	}
	a.Put(o, key, a.Secret(key, value))
}

// Secret registers a secret and returns the mapping that names its file.
func (a *Account) Secret(what, value string) config.Map {
	p := filepath.Join(a.result.Options.SecretDir, a.Name+"."+what)
	a.secrets = append(slices.DeleteFunc(a.secrets, func(s SecretFile) bool { return s.Path == p }), SecretFile{p, value})
	return config.Pair("file", strings.ReplaceAll(p, "$", "$$"))
}

// PutSecretCommand sets a key to a command that prints a secret. It does not
// run the command.
func (a *Account) PutSecretCommand(o Option, key string, argv []string) {
	if badArgv(argv) {
		a.Drop(o, "cannot be written as a command: put it into a script of its own and set "+key+": {command: [/path/to/script]}")
		return
	}
	a.Put(o, key, config.Pair("command", argv))
}

// badArgv reports arguments that the YAML cannot hold.
func badArgv(argv []string) bool {
	if len(argv) == 0 || argv[0] == "" || strings.HasPrefix(argv[0], "~") && !strings.HasPrefix(argv[0], "~/") {
		return true
	}
	return slices.ContainsFunc(argv, func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) })
}

// Deliver adds a target.
func (a *Account) Deliver(o Option, kind string, value any) {
	t := config.Pair(kind, value)
	if slices.ContainsFunc(a.Targets, func(have config.Map) bool { return reflect.DeepEqual(have, t) }) {
		a.Drop(o, "is the same target again")
		return
	}
	a.Targets = append(a.Targets, t)
	a.Carry(o, "deliver")
}

// DeliverPath adds a Maildir or mbox.
func (a *Account) DeliverPath(o Option, kind, path string) {
	p, err := a.path(o, path)
	if err != nil {
		a.Lose(o, err.Error())
		return
	}
	a.Deliver(o, kind, p)
}

// DeliverCommand adds a pipe.
func (a *Account) DeliverCommand(o Option, argv []string) {
	if badArgv(argv) {
		a.Lose(o, "cannot be written as a command")
		return
	}
	a.Deliver(o, "pipe", config.Pair("command", argv))
}

// DeliverLine adds a pipe for a line that went to a shell, where %F was the
// sender.
func (a *Account) DeliverLine(o Option, line string) {
	if strings.Contains(line, "%F") {
		a.Change(o, "%F is $SENDER now, which is empty for a message without a Return-Path")
	}
	a.DeliverCommand(o, Command(FromEnvironment(line, "%F", "SENDER")))
}

// Relay is an SMTP or LMTP server that the program delivered to.
type Relay struct {
	// Kind is smtp or lmtp, Host a name, an address or the path of a socket.
	Kind, Host string
	// Port is empty for that of SMTP.
	Port string
	// To and From are addresses, Login more for Encode; each may be empty.
	To, From string
	Login    config.Map
}

// DeliverRelay adds a relay. One on another machine stays without TLS; where
// is what the note calls it.
func (a *Account) DeliverRelay(o Option, r Relay, where string) {
	server, why := r.server()
	if why != "" {
		a.Lose(o, why)
		return
	}
	relay := config.Pair("server", server)
	if r.To != "" {
		relay = relay.And("to", []string{r.To})
	}
	if r.From != "" {
		relay = relay.And("from", r.From)
	}
	if !strings.HasPrefix(r.Host, "/") && !config.Loopback(strings.ToLower(r.Host)) {
		relay = relay.And("tls", config.Word("none")).And("insecure", true)
		a.Change(o, "mail goes "+where+" without encryption, as before: remove tls and insecure if it offers STARTTLS")
	}
	a.Deliver(o, r.Kind, append(relay, r.Login...))
}

// server writes the relay's address, or says why it cannot be one.
func (r *Relay) server() (server, why string) {
	if strings.HasPrefix(r.Host, "/") {
		p, err := yamlPath(r.Host, "/")
		if err != nil {
			return "", err.Error()
		}
		return p, ""
	}
	port := Port(r.Port)
	switch {
	case !config.ValidHost(r.Host):
		return "", "is not a host name"
	case port == 0 && r.Port != "":
		return "", "has no valid port"
	case r.Kind == "lmtp" && (port == 0 || port == 25):
		return "", "LMTP needs a port of its own, or a socket: write deliver: - lmtp: {server: ...}"
	}
	return hostPort(r.Host, port, 25), ""
}
