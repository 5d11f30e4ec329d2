// Package mpop reads mpop's configuration and its uidls files.
package mpop

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads mpop's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "mpop", AtHome: true, Find: find, Read: read, Seen: seen, Busy: busy}
}

func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.Home, ".mpoprc"), rcfile.Under(o.ConfigHome(), "mpop", "config"), rcfile.Under(o.Env("APPDATA"), "mpoprc.txt"))
}

// block is the lines that hold for an account: the defaults when it was
// defined, and its own, inherited ones first.
type block struct {
	name           string
	line           int
	defaults, opts []rcfile.Option
}

func read(r *rcfile.Result, file string) error {
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	blocks, err := parse(file, text)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		importAccount(r, file, b)
	}
	return nil
}

// parse reads the lines of an mpoprc. Another defaults line adds to those
// before; what an account inherits is not the defaults of the other account.
func parse(file, text string) ([]block, error) {
	var blocks []block
	var defaults []rcfile.Option
	var cur *[]rcfile.Option
	for i, raw := range strings.Split(text, "\n") {
		o := rcfile.Option{File: file, Line: i + 1}
		o.Name, o.Value = splitLine(raw)
		if o.Text = strings.TrimSpace(o.Name + " " + o.Value); o.Name == "password" || o.Name == "passwordeval" && o.Value == "" {
			o.Text = o.Name + " ***"
		}
		switch {
		case o.Name == "":
		case o.Name == "defaults":
			cur = &defaults
		case o.Name == "account":
			b, err := header(o, defaults, blocks)
			if err != nil {
				return nil, err
			}
			if blocks = append(blocks, b); len(blocks) > 10000 {
				return nil, rcfile.Syntax(file, i+1, "too many accounts")
			}
			cur = &blocks[len(blocks)-1].opts
		case cur == nil:
			return nil, rcfile.Syntax(file, i+1, "the first command must be account or defaults")
		default:
			*cur = append(*cur, o)
		}
	}
	return blocks, nil
}

// splitLine splits a line; the argument loses one pair of quotes around it.
func splitLine(raw string) (name, arg string) {
	s := strings.Trim(raw, " \t\r")
	if strings.HasPrefix(s, "#") {
		return "", ""
	}
	end := strings.IndexAny(s+" ", " \t")
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
func header(o rcfile.Option, defaults []rcfile.Option, have []block) (block, error) {
	find := func(name string) int { return slices.IndexFunc(have, func(b block) bool { return b.name == name }) }
	name, parents, inherits := strings.Cut(o.Value, ":")
	b := block{name: strings.TrimSpace(name), line: o.Line, defaults: slices.Clone(defaults)}
	switch {
	case b.name == "":
		return b, rcfile.Syntax(o.File, o.Line, "account wants a name")
	case find(b.name) >= 0:
		return b, rcfile.Syntax(o.File, o.Line, "account %q was defined before", b.name)
	case !inherits:
		return b, nil
	}
	for parent := range strings.SplitSeq(parents, ",") {
		i := find(strings.TrimSpace(parent))
		if i < 0 {
			return b, rcfile.Syntax(o.File, o.Line, "account %q was not defined before", strings.TrimSpace(parent))
		}
		if b.opts = append(b.opts, have[i].opts...); len(b.opts) > 10000 {
			return b, rcfile.Syntax(o.File, o.Line, "inherits too much")
		}
	}
	return b, nil
}

// account is one account during the import, with the last command of each name.
type account struct {
	*rcfile.Account
	last map[string]rcfile.Option
}

func importAccount(r *rcfile.Result, file string, b block) {
	a := &account{r.Add(b.name, file, b.line), map[string]rcfile.Option{}}
	opts := append(b.defaults, b.opts...)
	for _, o := range opts {
		a.last[o.Name] = o
	}
	opts = slices.DeleteFunc(opts, func(o rcfile.Option) bool { return o.Name != "eval" && a.last[o.Name] != o })
	a.Host, a.User = a.arg("host"), a.arg("user")
	switch tls, starttls := a.arg("tls"), a.arg("tls_starttls"); { // off by default, then STARTTLS
	case !a.given("tls") || tls == "off":
		a.Security = pop3.Plain
	case starttls == "off":
		a.Security = pop3.ImplicitTLS
	default:
		a.Security = pop3.STLS
	}
	rcfile.Table(options).Apply(a.Account, a.own(), opts...)
	a.finish(r)
	for _, o := range opts {
		if !a.Noted(o) {
			a.Rest(o)
		}
	}
}

func (a *account) arg(name string) string { return a.last[name].Value }

func (a *account) given(name string) bool { return a.last[name].Name != "" }

func (a *account) finish(r *rcfile.Result) {
	if !a.Has("keep") {
		rcfile.Keep(a.Account, false) // mpop's default
	}
	if !a.Has("password") && !a.Has("token") && !a.given("password") && !a.given("passwordeval") {
		a.Set("password", config.Pair("netrc", true))
		a.Change(a.Start, "mpop looks for the password in the keyring, then in .netrc, then asks: see password")
	}
	file := cmp.Or(a.arg("uidls_file"), "~/.mpop_uidls/%U_at_%H")
	file = strings.NewReplacer("%U", a.User, "%H", a.Host).Replace(file)
	a.SeenFile = rcfile.Absolute(r.Options.Tilde(file), a.Start.File)
}
