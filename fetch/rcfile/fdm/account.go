package fdm

import (
	"cmp"
	_ "embed"
	"path"
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
	user, password bool
	keep           bool
}

//go:embed account.txt
var accountOptions string

// own are the options that need more than the table says.
func (a *account) own() map[string]func(rcfile.Option) {
	return map[string]func(rcfile.Option){
		"pipe": a.pipe,
		"cache": func(o rcfile.Option) {
			a.SeenFile = rcfile.Absolute(o.Value, o.File)
			a.Carry(o, "import reads the seen-list from there")
		},
		"disabled": func(o rcfile.Option) { a.Enabled = false; a.Carry(o, "enabled: false") },
		"keep":     func(o rcfile.Option) { a.keep = true; a.Carry(o, "keep") },
		"starttls": func(o rcfile.Option) { a.Security = pop3.STLS; a.Carry(o, "tls") },
		"old-only": func(o rcfile.Option) {
			a.Unsure = "old-only fetches what was seen before"
			a.Drop(o, "fetches only what was seen before")
		},
	}
}

func (c *conf) account(s statement) {
	t := s.tokens[1:]
	kind := slices.IndexFunc(t, func(k rcfile.Token) bool {
		return k.Is("pop3", "pop3s", "imap", "imaps", "nntp", "nntps", "stdin", "maildir", "maildirs", "mbox", "mboxes")
	})
	switch {
	case kind == 0:
		c.r.Note(rcfile.Dropped, s.Option, "the account has no name")
		return
	case kind < 0 || !t[kind].Is("pop3", "pop3s"):
		c.r.Note(rcfile.Dropped, s.Option, "mailhaul fetches by POP3 only")
		return
	}
	a := &account{Account: c.r.Add(t[0].Text, s.File, s.Line), c: c}
	if t[kind].Text == "pop3" {
		a.Security = pop3.Plain
	}
	rows := rcfile.Table(accountOptions)
	for _, k := range t[1:kind] {
		switch {
		case k.Is("user", "users"):
			a.Drop(k.Option(k.Text), "mailhaul delivers as the user who runs it")
		case k.Kind == rcfile.Word:
			rows.Apply(a.Account, a.own(), k.Option(k.Text))
		}
	}
	for t = t[kind+1:]; len(t) > 0; {
		t = t[a.option(rows, t):]
	}
	a.finish()
}

// option handles the option that starts t and returns how many tokens it has.
func (a *account) option(rows rcfile.Rows, t []rcfile.Token) int {
	o := t[0].Option(t[0].Text)
	switch {
	case !rows[o.Name].Is("value") || t[0].Kind != rcfile.Word:
		rows.Apply(a.Account, a.own(), o)
		return 1
	case len(t) < 2:
		a.Drop(o, "wants a value")
		return 1
	}
	known, command := true, t[1].Kind == rcfile.Shell
	if o.Text, o.Value = shown(t[:2]), t[1].Text; !command && o.Name != "server" {
		o.Value, known = tags(a.c.r.Options, o.Value)
	}
	a.user, a.password = a.user || o.Name == "user", a.password || o.Name == "pass"
	switch {
	case command && o.Name == "pass":
		a.PutSecretCommand(o.As("pass $(...)"), "password", rcfile.Command(o.Value))
		return 2
	case command:
		a.Drop(o, "was not run: write its output here")
		if o.Name != "cache" {
			a.Unsure = "its " + o.Name + " is what a command prints"
		}
		return 2
	case o.Name == "cache" && a.SeenFile != "": // a statement of its own that follows
		return 2
	case o.Name == "cache" && !known:
		a.Drop(o, "the path contains an unknown tag: give the file to import --state")
		return 2
	case !known && (o.Name == "user" || o.Name == "pass"):
		a.Change(o, "contains % and a letter, which fdm replaces by a tag: check the value (%% is a percent sign)")
	}
	rows.Apply(a.Account, a.own(), o)
	return 2
}

func (a *account) pipe(o rcfile.Option) {
	rcfile.PutCommand(a.Account, o, "tunnel")
	a.Host = "localhost"
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
	rcfile.Keep(a.Account, a.keep)
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
	n, ok := parseSize(s.value(2).Text, s.value(3).Text)
	if ok && s.value(2).Kind != rcfile.Shell {
		a.Put(s.Option, "max_size", rcfile.Size(n))
	} else {
		a.Drop(s.Option, "is not a size that mailhaul can read: set max_size, or messages of any size are fetched")
	}
}

// proxyURL is http://HOST[:PORT] or socks://[USER:PASSWORD@]HOST[:PORT].
var proxyURL = regexp.MustCompile(`^(http|socks)://(?:([^:@/]+):([^@/]*)@)?(\[.*\]|[^:@/]+)(?::(\d*))?/?$`)

func (a *account) proxy(s statement) {
	m := append(proxyURL.FindStringSubmatch(s.value(2).Text), make([]string, 6)...) // all are empty if it is no such URL
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
