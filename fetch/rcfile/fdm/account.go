package fdm

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// merge is one account in the making.
type merge struct {
	c          *conf
	a          *rcfile.Account
	s          statement
	port       string
	pass       *token
	user       bool
	starttls   bool
	keep, only bool
}

func (c *conf) account(s statement) {
	t := s.tokens[1:]
	if len(t) == 0 {
		return
	}
	kind := slices.IndexFunc(t, func(k token) bool { return k.kind == tokWord && fetchType(k.text) })
	if kind < 0 || t[kind].text != "pop3" && t[kind].text != "pop3s" {
		c.r.AddNote(rcfile.Dropped, s.File, s.Line, s.Text, "mailhaul fetches by POP3 only")
		return
	}
	a := c.r.Add(t[0].text, s.File, s.Line)
	m := &merge{c: c, a: a, s: s}
	for _, k := range t[1:kind] {
		switch {
		case k.kind == tokWord && k.text == "disabled":
			a.Enabled = false
		case k.kind == tokWord && (k.text == "user" || k.text == "users"):
			a.Drop(rcfile.Option{File: k.file, Line: k.line, Text: "users"}, "mailhaul delivers as the user who runs it")
		}
	}
	a.TLS = pop3.Plain
	if t[kind].text == "pop3s" {
		a.TLS = pop3.ImplicitTLS
	}
	for rest := t[kind+1:]; len(rest) > 0; {
		rest = rest[m.option(rest):]
	}
	m.finish()
}

func fetchType(s string) bool {
	switch s {
	case "pop3", "pop3s", "imap", "imaps", "nntp", "nntps", "stdin", "maildir", "maildirs", "mbox", "mboxes":
		return true
	}
	return false
}

// option handles the option that starts t and returns how many tokens it has.
func (m *merge) option(t []token) int {
	a, o := m.a, rcfile.Option{File: t[0].file, Line: t[0].line, Text: shown(t[:min(2, len(t))])}
	one := rcfile.Option{File: o.File, Line: o.Line, Text: t[0].text}
	n := 1
	switch t[0].text {
	case "server", "port", "user", "pass", "pipe", "cache":
		if len(t) < 2 {
			a.Drop(one, "wants a value")
			return 1
		}
		n = 2
		m.value(o, t[0].text, t[1])
	case "new-only":
		a.Carry(one, "each message is fetched once")
	case "old-only":
		a.Drop(one, "fetches only what was seen before")
		a.Unsure = "old-only fetches what was seen before"
	case "keep":
		m.keep = true
		a.Carry(one, "keep")
	case "starttls":
		a.TLS = pop3.STLS
		a.Carry(one, "tls")
	case "no-verify":
		a.Drop(one, "certificates are always checked: give ca_file or pin if the server has one of its own")
	case "insecure":
		a.Drop(one, "TLS 1.2 is the oldest accepted: if the server has only an older one, set min_version or legacy")
	case "no-apop":
		a.Carry(one, "APOP is never used unless auth: apop")
	case "no-uidl":
		a.Drop(one, "without UIDL messages are told apart by their headers")
	default:
		a.Drop(one, "is not known here")
	}
	return n
}

func (m *merge) value(o rcfile.Option, name string, v token) {
	a := m.a
	text, tagged := v.text, true
	if v.kind != tokCommand && name != "server" {
		text, tagged = tags(m.c.r.Options, v.text)
	}
	if v.kind == tokCommand && name != "pass" {
		a.Drop(o, "was not run: write out what it prints")
		return
	}
	if !tagged && (name == "user" || name == "pass") {
		a.Change(o, "contains % and a letter, which fdm replaces by a tag: check the value (%% is a percent sign)")
	}
	switch name {
	case "server":
		a.Host = text
		a.Carry(o, "server")
	case "port":
		if a.Port = rcfile.ServicePort(text); a.Port == 0 {
			a.Drop(o, "is no port of POP3: write server: HOST:PORT")
		} else {
			a.Carry(o, "server")
		}
	case "user":
		a.User, m.user = text, true
		a.Carry(o, "user")
	case "pass":
		v.text = text
		m.pass = &v
		m.password(o)
	case "pipe":
		argv, err := rcfile.Command(text)
		if err != nil {
			a.Drop(o, err.Error())
			a.Unsure = "how its server is reached could not be carried over: see tunnel"
			return
		}
		a.Put(o, "tunnel", argv)
		a.Host = "localhost"
	case "cache":
		m.cache(o, text, tagged)
	}
}

func (m *merge) cache(o rcfile.Option, text string, ok bool) {
	switch {
	case m.a.Seen.File != "":
		return // a statement of its own that follows
	case !ok:
		m.a.Drop(o, "the path contains a tag that is not known here: give the file to import --state")
		return
	}
	m.a.Seen.File = rcfile.Absolute(text, m.s.File)
	m.a.Carry(o, "the list of seen messages is read from there")
}

func (m *merge) password(o rcfile.Option) {
	if m.pass.kind == tokCommand {
		m.a.PasswordLine(rcfile.Option{File: o.File, Line: o.Line, Text: "pass $(...)"}, "password", m.pass.text)
		return
	}
	m.c.r.Password(m.a, o, "password", m.pass.text)
}

func (m *merge) finish() {
	a, start := m.a, rcfile.Option{File: m.a.File, Line: m.a.Line, Text: ""}
	if !m.user {
		m.netrcUser(start)
	}
	if m.pass == nil {
		a.Set("password", config.Pair("netrc", true))
	}
	if a.TLS != pop3.Plain && !m.c.verify {
		a.Change(start, "fdm does not check certificates unless told to; mailhaul always does")
	}
	a.Set("keep", config.Word("none"))
	if m.keep {
		a.Set("keep", config.Word("all"))
	}
	a.Seen.Host, a.Seen.User = a.Host, a.User
	if s := m.c.maxSize; len(s.tokens) > 0 {
		m.maxSize(s)
	}
	if s := m.c.proxy; len(s.tokens) > 0 {
		m.proxy(s)
	}
	m.deliver()
}

// netrcUser takes the login that .netrc has for the server.
func (m *merge) netrcUser(start rcfile.Option) {
	name := rcfile.Under(m.c.r.Options.Home, ".netrc")
	data, err := rcfile.Load(name, rcfile.MaxConfig)
	if err == nil {
		m.a.User, err = config.NetrcLogin(string(data), m.a.Host)
	}
	if err != nil {
		m.a.Drop(start, "no user is named, and .netrc has none: "+err.Error())
		return
	}
	m.a.Carry(rcfile.Option{File: name}, "user")
}

func (m *merge) maxSize(s statement) {
	unit := ""
	if len(s.tokens) > 3 {
		unit = s.tokens[3].text
	}
	if len(s.tokens) > 2 {
		if n, ok := parseSize(s.tokens[2].text, unit); ok && s.tokens[2].kind != tokCommand {
			m.a.Put(s.Option, "max_size", rcfile.Size(n))
			return
		}
	}
	m.a.Drop(s.Option, "is no size that can be read here: see max_size; until it is set, messages of any size are fetched")
}

func (m *merge) proxy(s statement) {
	if len(s.tokens) < 3 {
		m.a.Drop(rcfile.Option{File: s.File, Line: s.Line, Text: "set proxy ***"}, "has no value")
		return
	}
	scheme, rest, _ := strings.Cut(s.tokens[2].text, "://")
	host, port, _ := strings.Cut(strings.TrimSuffix(rest, "/"), ":")
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) || !rcfile.ValidHost(host) || scheme != "http" && scheme != "socks" || m.a.Has("tunnel") {
		m.a.Drop(rcfile.Option{File: s.File, Line: s.Line, Text: "set proxy ***"}, "write proxy: socks5://HOST:PORT, or a mapping with user and password")
		return
	}
	url := map[string]string{"http": "http", "socks": "socks5"}[scheme] + "://" + host
	if port != "" {
		url += ":" + port
	}
	m.a.Put(s.Option, "proxy", url)
}

// deliver follows the rules for this account until one does not continue.
func (m *merge) deliver() {
	for _, rule := range m.c.rules {
		ok := rule.accounts == nil
		for _, glob := range rule.accounts {
			hit, err := path.Match(glob, m.a.Label)
			ok = ok || err == nil && hit
		}
		if !ok {
			continue
		}
		m.action(rule.Option, rule.actions, 0)
		if !rule.more {
			return
		}
	}
}

// home is where relative paths of fdm start.
func (m *merge) home() string {
	if m.c.r.Options.Home != "" {
		return m.c.r.Options.Home
	}
	return filepath.Dir(m.s.File)
}

func actionText(t []token, n int) string { return fmt.Sprintf("action %s", shown(t[:n])) }
