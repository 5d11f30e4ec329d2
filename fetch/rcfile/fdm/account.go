package fdm

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// account is one account during the import.
type account struct {
	*rcfile.Account
	c              *conf
	file           string
	user, password bool
	keep           bool
}

func (c *conf) account(s statement) {
	t := s.tokens[1:]
	kind := slices.IndexFunc(t, func(k token) bool {
		return k.is("pop3", "pop3s", "imap", "imaps", "nntp", "nntps", "stdin", "maildir", "maildirs", "mbox", "mboxes")
	})
	if kind < 0 || !t[kind].is("pop3", "pop3s") {
		c.r.Note(rcfile.Dropped, s.Option, "mailhaul fetches by POP3 only")
		return
	}
	a := &account{Account: c.r.Add(t[0].text, s.File, s.Line), c: c, file: s.File}
	a.Security = pop3.Plain
	if t[kind].text == "pop3s" {
		a.Security = pop3.ImplicitTLS
	}
	rows := a.rows()
	for _, k := range t[1:kind] {
		switch {
		case k.is("user", "users"):
			a.Drop(k.option(k.text), "mailhaul delivers as the user who runs it")
		case k.kind == tokWord:
			a.option(rows, []token{k})
		}
	}
	for t = t[kind+1:]; len(t) > 0; {
		t = t[a.option(rows, t):]
	}
	a.finish()
}

func (a *account) rows() rcfile.Rows {
	return rcfile.Rows{
		"server":    rcfile.Text(&a.Host, "server"),
		"port":      rcfile.ServicePort,
		"user":      rcfile.Text(&a.User, "user"),
		"pass":      func(_ *rcfile.Account, o rcfile.Option) { a.PutSecret(o, "password", o.Value) },
		"pipe":      pipe,
		"new-only":  rcfile.Carry("each message is fetched once"),
		"old-only":  oldOnly,
		"disabled":  func(_ *rcfile.Account, o rcfile.Option) { a.Enabled = false; a.Carry(o, "enabled: false") },
		"keep":      func(_ *rcfile.Account, o rcfile.Option) { a.keep = true; a.Carry(o, "keep") },
		"starttls":  func(_ *rcfile.Account, o rcfile.Option) { a.Security = pop3.STLS; a.Carry(o, "tls") },
		"no-verify": rcfile.NoVerify,
		"insecure":  rcfile.OldTLS,
		"no-apop":   rcfile.Carry("APOP is never used unless auth: apop"),
		"no-uidl":   rcfile.Drop("without UIDL, mailhaul identifies messages by their headers"),
	}
}

// option handles the option that starts t and returns how many tokens it has.
func (a *account) option(rows rcfile.Rows, t []token) int {
	o := t[0].option(t[0].text)
	switch {
	case !t[0].is("server", "port", "user", "pass", "pipe", "cache"):
		if !rows.Apply(a.Account, o) {
			a.Drop(o, "is an unknown option")
		}
		return 1
	case len(t) < 2:
		a.Drop(o, "wants a value")
		return 1
	}
	known := true
	if o.Text, o.Value = shown(t[:2]), t[1].text; t[1].kind != tokCommand && o.Name != "server" {
		o.Value, known = tags(a.c.r.Options, o.Value)
	}
	a.user, a.password = a.user || o.Name == "user", a.password || o.Name == "pass"
	switch {
	case t[1].kind == tokCommand && o.Name == "pass":
		a.PutSecretCommand(o.As("pass $(...)"), "password", rcfile.Command(o.Value))
		return 2
	case t[1].kind == tokCommand:
		a.Drop(o, "was not run: write its output here")
		if o.Name != "cache" {
			a.Unsure = "its " + o.Name + " is what a command prints"
		}
		return 2
	case o.Name == "cache":
		a.cache(o, known)
		return 2
	case !known && (o.Name == "user" || o.Name == "pass"):
		a.Change(o, "contains % and a letter, which fdm replaces by a tag: check the value (%% is a percent sign)")
	}
	rows.Apply(a.Account, o)
	return 2
}

func pipe(a *rcfile.Account, o rcfile.Option) {
	rcfile.CommandKey("tunnel")(a, o)
	if a.Host = "localhost"; !a.Has("tunnel") {
		a.Unsure = "how its server is reached could not be carried over: see tunnel"
	}
}

func oldOnly(a *rcfile.Account, o rcfile.Option) {
	a.Unsure = "old-only fetches what was seen before"
	a.Drop(o, "fetches only what was seen before")
}

func (a *account) cache(o rcfile.Option, known bool) {
	switch {
	case a.SeenFile != "": // a statement of its own that follows
	case !known:
		a.Drop(o, "the path contains an unknown tag: give the file to import --state")
	default:
		a.SeenFile = rcfile.Absolute(o.Value, a.file)
		a.Carry(o, "import reads the seen-list from there")
	}
}

func (a *account) finish() {
	if !a.user {
		a.netrcUser()
	}
	if !a.password {
		a.Set("password", config.Pair("netrc", true))
	}
	if _, verified := a.c.set["verify-certificates"]; a.Security != pop3.Plain && !verified {
		a.Change(a.Start, "fdm checks certificates only with verify-certificates; mailhaul always does")
	}
	a.Set("keep", config.Word("none"))
	if a.keep {
		a.Set("keep", config.Word("all"))
	}
	if s, ok := a.c.set["maximum-size"]; ok {
		a.maxSize(s)
	}
	if s, ok := a.c.set["proxy"]; ok {
		a.proxy(s)
	}
	a.deliver()
}

// netrcUser takes the login that .netrc has for the server.
func (a *account) netrcUser() {
	name := rcfile.Under(a.c.r.Options.Home, ".netrc")
	data, err := rcfile.Load(name, rcfile.MaxConfig)
	if err == nil {
		a.User, err = config.NetrcLogin(string(data), a.Host)
	}
	if err != nil {
		a.Drop(a.Start, "the account has no user, and .netrc has none: "+err.Error())
		return
	}
	a.Carry(rcfile.Option{File: name}, "user")
}

func (a *account) maxSize(s statement) {
	unit := ""
	if len(s.tokens) > 3 {
		unit = s.tokens[3].text
	}
	if len(s.tokens) > 2 {
		if n, ok := parseSize(s.tokens[2].text, unit); ok && s.tokens[2].kind != tokCommand {
			a.Put(s.Option, "max_size", rcfile.Size(n))
			return
		}
	}
	a.Drop(s.Option, "is not a size that mailhaul can read: set max_size, or messages of any size are fetched")
}

// proxyURL is http://HOST[:PORT] or socks://[USER:PASSWORD@]HOST[:PORT].
var proxyURL = regexp.MustCompile(`^(http|socks)://(?:([^:@/]+):([^@/]*)@)?(\[.*\]|[^:@/]+)(?::(\d*))?/?$`)

func (a *account) proxy(s statement) {
	m := []string{}
	if len(s.tokens) > 2 {
		m = proxyURL.FindStringSubmatch(s.tokens[2].text)
	}
	m = append(m, make([]string, 6)...) // all are empty if it is no such URL
	scheme, port := "http", "80"
	if m[1] == "socks" {
		scheme, port = "socks5", "1080"
	}
	rcfile.PutProxy(a.Account, s.As("set proxy ***"), scheme, strings.Trim(m[4], "[]"), cmp.Or(m[5], port), m[2], m[3])
}

// deliver follows the rules for this account until one does not continue.
func (a *account) deliver() {
	for _, rule := range a.c.rules {
		fits := func(glob string) bool {
			ok, err := path.Match(glob, a.Start.Name)
			return ok && err == nil
		}
		if rule.accounts != nil && !slices.ContainsFunc(rule.accounts, fits) {
			continue
		}
		a.action(rule.Option, rule.actions, 0)
		if !rule.more {
			return
		}
	}
}

// home is where relative paths of fdm start.
func (a *account) home() string { return cmp.Or(a.c.r.Options.Home, filepath.Dir(a.file)) }
