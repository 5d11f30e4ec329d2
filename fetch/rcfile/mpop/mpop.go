// Package mpop reads mpop's configuration and its uidls files.
package mpop

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// FormatMpop reads mpop's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "mpop", Find: find, Read: read, Seen: seen, Busy: busy}
}

func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.Home, ".mpoprc"), rcfile.Under(o.ConfigHome(), "mpop", "config"), rcfile.Under(o.Env("APPDATA"), "mpoprc.txt"))
}

// command is one line of an mpoprc.
type command struct {
	rcfile.Option
	name, arg string
}

// block is the lines that hold for an account: the defaults when it was
// defined, and its own, inherited ones first.
type block struct {
	name           string
	line           int
	defaults, opts []command
}

func read(r *rcfile.Result, file string) error {
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	accounts, err := parse(file, text)
	if err != nil {
		return err
	}
	for _, acc := range accounts {
		importAccount(r, file, acc)
	}
	return nil
}

// parse reads the lines of an mpoprc. Another defaults line adds to those
// before; what an account inherits is not the defaults of the other account.
func parse(file, text string) ([]block, error) {
	var accounts []block
	var defaults []command
	var cur *block
	started := false
	for i, raw := range strings.Split(text, "\n") {
		name, arg := splitLine(raw)
		o := command{rcfile.Option{File: file, Line: i + 1, Text: strings.TrimSpace(name + " " + arg)}, name, arg}
		switch {
		case name == "":
		case name == "defaults":
			cur, started = nil, true
		case name == "account":
			acc, err := header(o, defaults, accounts)
			if err != nil {
				return nil, err
			}
			accounts, started = append(accounts, acc), true
			cur = &accounts[len(accounts)-1]
		case !started:
			return nil, rcfile.Syntax(file, i+1, "the first command must be account or defaults")
		default:
			if name == "password" || name == "passwordeval" && arg == "" {
				o.Text = name + " ***"
			}
			if cur == nil {
				defaults = append(defaults, o)
			} else {
				cur.opts = append(cur.opts, o)
			}
		}
		if total := len(accounts); total > 10000 {
			return nil, rcfile.Syntax(file, i+1, "too many accounts")
		}
	}
	return accounts, nil
}

// splitLine splits a line; the argument loses one pair of quotes around it.
func splitLine(raw string) (name, arg string) {
	s := strings.Trim(raw, " \t\r")
	if s == "" || s[0] == '#' {
		return "", ""
	}
	end := strings.IndexAny(s, " \t")
	if end < 0 {
		return s, ""
	}
	return s[:end], unquote(strings.Trim(s[end:], " \t"))
}

// unquote takes one pair of double quotes off.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// header starts an account: NAME [: A,B,...].
func header(o command, defaults []command, have []block) (block, error) {
	name, parents, inherits := strings.Cut(o.arg, ":")
	acc := block{name: strings.TrimSpace(name), line: o.Line, defaults: slices.Clone(defaults)}
	switch {
	case acc.name == "":
		return acc, rcfile.Syntax(o.File, o.Line, "account wants a name")
	case slices.ContainsFunc(have, func(b block) bool { return b.name == acc.name }):
		return acc, rcfile.Syntax(o.File, o.Line, "account %q was defined before", acc.name)
	}
	if !inherits {
		return acc, nil
	}
	for _, parent := range strings.Split(parents, ",") {
		i := slices.IndexFunc(have, func(b block) bool { return b.name == strings.TrimSpace(parent) })
		if i < 0 {
			return acc, rcfile.Syntax(o.File, o.Line, "account %q was not defined before", strings.TrimSpace(parent))
		}
		if acc.opts = append(acc.opts, have[i].opts...); len(acc.opts) > 10000 {
			return acc, rcfile.Syntax(o.File, o.Line, "inherits too much")
		}
	}
	return acc, nil
}

// merge is what the commands of one account say; the last of each holds.
type merge struct {
	r    *rcfile.Result
	a    *rcfile.Account
	last map[string]command
}

func importAccount(r *rcfile.Result, file string, acc block) {
	m := &merge{r: r, a: r.Add(acc.name, file, acc.line), last: map[string]command{}}
	opts := append(acc.defaults, acc.opts...)
	for _, o := range opts {
		m.last[o.name] = o
	}
	a := m.a
	a.Host, a.User = m.arg("host"), m.arg("user")
	m.tls()
	for i, o := range opts {
		if o.name == "eval" {
			a.Drop(o.Option, "was not run: write out what it prints")
		} else if !slices.ContainsFunc(opts[i+1:], func(later command) bool { return later.name == o.name }) {
			m.option(o)
		}
	}
	m.finish()
	for _, o := range opts {
		if !a.Noted(o.Option) && m.last[o.name].Option == o.Option {
			a.Rest(o.Option, o.arg)
		}
	}
}

func (m *merge) arg(name string) string { return m.last[name].arg }

func (m *merge) on(name string, def bool) bool {
	o, ok := m.last[name]
	if !ok {
		return def
	}
	return o.arg != "off"
}

// tls: off by default, and then STARTTLS by default.
func (m *merge) tls() {
	switch {
	case !m.on("tls", false):
		m.a.TLS = pop3.Plain
	case m.on("tls_starttls", true):
		m.a.TLS = pop3.STLS
	default:
		m.a.TLS = pop3.ImplicitTLS
	}
}

func (m *merge) finish() {
	a, r, start := m.a, m.r, rcfile.Option{File: m.a.File, Line: m.a.Line, Text: ""}
	if !a.Has("keep") {
		a.Set("keep", config.Word("none")) // mpop's default
	}
	if !a.Has("password") && !a.Has("token") && !m.given("password", "passwordeval") {
		a.Set("password", config.Pair("netrc", true))
		a.Change(start, "mpop looks for the password in the keyring, then in .netrc, then asks: see password")
	}
	file := m.arg("uidls_file")
	if file == "" {
		file = "~/.mpop_uidls/%U_at_%H"
	}
	file = strings.NewReplacer("%U", a.User, "%H", a.Host).Replace(file)
	a.Seen = rcfile.SeenKey{Host: a.Host, User: a.User, File: rcfile.Absolute(r.Options.Tilde(file), a.File)}
}

func (m *merge) given(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := m.last[n]; return ok })
}

// option handles one command.
func (m *merge) option(o command) {
	if m.reach(o) || m.login(o) || m.mail(o) {
		return
	}
	m.a.Drop(o.Option, why(o.name))
}

// reach handles how the server is reached.
func (m *merge) reach(o command) bool {
	a := m.a
	switch o.name {
	case "host":
		a.Carry(o.Option, "server")
	case "port":
		if a.Port = rcfile.ServicePort(o.arg); a.Port == 0 {
			a.Drop(o.Option, "is no port of POP3: write server: HOST:PORT")
		} else {
			a.Carry(o.Option, "server")
		}
	case "tls", "tls_starttls":
		a.Carry(o.Option, "tls")
	case "timeout", "connect_timeout":
		m.timeout(o)
	case "pipelining":
		if o.arg == "auto" || o.arg == "on" || o.arg == "off" {
			a.Put(o.Option, "pipelining", config.Word(o.arg))
		}
	case "proxy_host":
		m.proxy(o)
	case "proxy_port":
	case "source_ip":
		if ip, err := netip.ParseAddr(o.arg); err == nil && ip.Zone() == "" {
			a.Put(o.Option, "bind", ip.String())
		} else if o.arg != "" {
			a.Drop(o.Option, "is no address")
		}
	case "socket":
		if o.arg != "" {
			a.Drop(o.Option, "mailhaul connects by TCP: tunnel: [socat, -, UNIX:PATH] does the same")
			a.Unsure = "the server is a unix socket: see tunnel"
		}
	case "tls_trust_file":
		if o.arg == "" || o.arg == "system" {
			a.Carry(o.Option, "ca_file")
		} else {
			m.r.PutFile(a, o.Option, "ca_file", o.arg, m.r.Options.Home)
		}
	case "tls_cert_file", "tls_key_file":
		if o.arg != "" {
			m.r.PutFile(a, o.Option, map[string]string{"tls_cert_file": "client_cert", "tls_key_file": "client_key"}[o.name], o.arg, m.r.Options.Home)
		}
	case "tls_host_override":
		if rcfile.ValidHost(o.arg) {
			a.Put(o.Option, "server_name", o.arg)
		}
	default:
		return false
	}
	return true
}

func (m *merge) timeout(o command) {
	if n, ok := rcfile.Atoi(o.arg); ok {
		m.a.Seconds(o.Option, "timeout", n)
		return
	}
	m.a.Drop(o.Option, "mailhaul never waits for ever: see timeout")
}

func (m *merge) proxy(o command) {
	port := m.arg("proxy_port")
	n, err := strconv.Atoi(port)
	switch {
	case o.arg == "":
	case !rcfile.ValidHost(o.arg) || port != "" && (err != nil || n < 1 || n > 65535):
		m.a.Drop(o.Option, "is not a host and port")
	default:
		if port == "" {
			port = "1080"
		}
		m.a.Put(o.Option, "proxy", "socks5://"+net.JoinHostPort(o.arg, port))
	}
}
