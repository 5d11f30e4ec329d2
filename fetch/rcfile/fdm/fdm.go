// Package fdm reads fdm's configuration and its caches.
package fdm

import (
	_ "embed"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads fdm's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "fdm", AtHome: true, Find: find, Read: read, Seen: seen, Busy: busy}
}

func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.Home, ".fdm.conf"), "/etc/fdm.conf")
}

// conf is what an fdm.conf says apart from its accounts.
type conf struct {
	r       *rcfile.Result
	actions map[string][]rcfile.Token // what stands behind the name
	rules   []rule
	set     map[string]statement // global options
}

// rule is a match without conditions beyond the account.
type rule struct {
	rcfile.Option
	accounts []string // globs; nil for all
	actions  []rcfile.Token
	more     bool // continue
}

//go:embed set.txt
var globalOptions string

func read(r *rcfile.Result, file string) error {
	statements, err := parse(r, file)
	if err != nil {
		return err
	}
	c := &conf{r: r, actions: map[string][]rcfile.Token{}, set: map[string]statement{}}
	rows := rcfile.Table(globalOptions)
	for _, s := range statements {
		switch o, named := s.Option, len(s.tokens) > 1; {
		case s.Name == "set" && named:
			o.Name = s.tokens[1].Text
			c.set[o.Name] = s
			r.Apply(rows, o)
		case s.Name == "action" && len(s.tokens) > 2:
			c.actions[s.tokens[1].Text] = s.tokens[2:]
		case s.Name == "match":
			c.match(s)
		case s.Name == "cache":
			r.Note(rcfile.Dropped, o, "is the user's own list, not a seen-list")
		case s.Name != "set" && s.Name != "action" && s.Name != "account":
			return rcfile.Syntax(s.File, s.Line, "unexpected %q", s.Name)
		}
	}
	for _, s := range statements {
		if s.Name == "account" && len(s.tokens) > 1 {
			c.account(s)
		}
	}
	c.locks()
	return nil
}

func (c *conf) locks() {
	lock, _ := tags(c.r.Options, c.set["lock-file"].value(2).Text)
	switch _, many := c.set["allow-multiple"]; {
	case many:
		c.r.NoLock = "fdm runs without a lock here (allow-multiple): make sure that it does not run"
	case lock != "":
		c.r.Locks = []string{lock}
	case c.r.Options.Root:
		c.r.Locks = []string{"/var/db/fdm.lock"}
	default:
		c.r.Locks = rcfile.NonEmpty([]string{rcfile.Under(c.r.Options.Home, ".fdm.lock")})
	}
}

// match keeps the rules that hold for all mail or all mail of accounts.
func (c *conf) match(s statement) {
	rule := rule{Option: s.Option}
	t := s.tokens[1:]
	switch {
	case s.value(1).Text == "all":
		t = t[1:]
	case s.value(1).Is("account", "accounts"):
		rule.accounts, t = names(t[1:])
	default:
		t = nil
	}
	if n := len(t); n > 0 && t[n-1].Is("continue") {
		rule.more, t = true, t[:n-1]
	}
	if len(t) < 2 || !t[0].Is("action", "actions") {
		c.r.Note(rcfile.Dropped, s.Option, "mailhaul does not sort mail: let the target do it (a pipe to a filter, or the reader's Sieve)")
		return
	}
	rule.actions = t[1:]
	if t[1].Kind == rcfile.Text || t[1].Text == "{" && len(t) > 2 && t[2].Kind == rcfile.Text {
		rule.actions = t // names of actions, not actions
	}
	c.rules = append(c.rules, rule)
	c.r.Note(rcfile.Carried, s.Option, "deliver")
}

// names reads "NAME" or { "NAME" ... } and returns what follows.
func names(t []rcfile.Token) (list []string, rest []rcfile.Token) {
	if len(t) == 0 {
		return nil, nil
	}
	if !t[0].Symbol("{") {
		return []string{t[0].Text}, t[1:]
	}
	for t = t[1:]; len(t) > 0 && t[0].Text != "}"; t = t[1:] {
		if t[0].Kind == rcfile.Text {
			list = append(list, t[0].Text)
		}
	}
	return list, t[min(1, len(t)):]
}
