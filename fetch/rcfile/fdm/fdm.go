// Package fdm reads fdm's configuration and its caches.
package fdm

import (
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads fdm's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "fdm", Find: find, Read: read, Seen: seen, Busy: busy}
}

func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.Home, ".fdm.conf"), "/etc/fdm.conf")
}

// conf is what an fdm.conf says apart from its accounts.
type conf struct {
	r       *rcfile.Result
	actions map[string][]token // what stands behind the name
	rules   []rule
	set     map[string]statement // global options
}

// rule is a match without conditions beyond the account.
type rule struct {
	rcfile.Option
	accounts []string // globs; nil for all
	actions  []token
	more     bool // continue
}

func read(r *rcfile.Result, file string) error {
	statements, err := parse(r, file)
	if err != nil {
		return err
	}
	c := &conf{r: r, actions: map[string][]token{}, set: map[string]statement{}}
	for _, s := range statements {
		switch s.Name {
		case "set":
			if len(s.tokens) > 1 {
				c.option(s)
			}
		case "action":
			if len(s.tokens) > 2 {
				c.actions[s.tokens[1].text] = s.tokens[2:]
			}
		case "match":
			c.match(s)
		case "account":
		case "cache":
			r.Note(rcfile.Dropped, s.Option, "is the user's own list, not a seen-list")
		default:
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
	_, many := c.set["allow-multiple"]
	switch lock := c.value("lock-file"); {
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

// value is what follows a global option.
func (c *conf) value(name string) string {
	if t := c.set[name].tokens; len(t) > 2 {
		v, _ := tags(c.r.Options, t[2].text)
		return v
	}
	return ""
}

// option handles a global option.
func (c *conf) option(s statement) {
	o := s.Option
	o.Name = s.tokens[1].text
	c.set[o.Name] = s
	c.r.Apply(rcfile.Rows{
		"maximum-size proxy":  rcfile.Later, // each account has its note
		"verify-certificates": rcfile.Carry("mailhaul always checks certificates"),
		"lock-file":           rcfile.Carry("import uses it to detect a running fdm"),
		"allow-multiple":      rcfile.Drop("two runs never use the same maildrop"),
		"no-received":         rcfile.Carry("mailhaul does so by default"),
		"delete-oversized":    rcfile.Drop("mailhaul deletes only delivered mail: max_size skips large messages"),
		"unmatched-mail":      rcfile.Drop("all mail of an account goes to its targets"),
		"timeout":             rcfile.Drop("see timeout of each account"),
		"queue-high queue-low purge-after strip-characters lock-types lock-wait lock-timeout": rcfile.Drop("is not needed"),
		"ignore-errors":     rcfile.Drop("an error of one account never stops the others"),
		"no-create":         rcfile.Drop(creates),
		"file-umask":        rcfile.Drop("only their owner can read the files (mode 0600), whatever the umask: mailhaul has no key for it; let the target give a group access"),
		"parallel-accounts": rcfile.Drop("see parallel"),
		"default-user command-user file-group lookup-order": rcfile.Drop("mailhaul delivers as the user who runs it"),
	}, o)
}

// match keeps the rules that hold for all mail or all mail of accounts.
func (c *conf) match(s statement) {
	rule := rule{Option: s.Option}
	t := s.tokens[1:]
	switch {
	case len(t) > 0 && t[0].text == "all":
		t = t[1:]
	case len(t) > 1 && t[0].is("account", "accounts"):
		rule.accounts, t = names(t[1:])
	default:
		t = nil
	}
	if n := len(t); n > 0 && t[n-1].is("continue") {
		rule.more, t = true, t[:n-1]
	}
	if len(t) < 2 || !t[0].is("action", "actions") {
		c.r.Note(rcfile.Dropped, s.Option, "mailhaul does not sort mail: let the target do it (a pipe to a filter, or the reader's Sieve)")
		return
	}
	rule.actions = t[1:]
	if t[1].kind == tokString || t[1].text == "{" && len(t) > 2 && t[2].kind == tokString {
		list, _ := names(t[1:])
		rule.actions = nil
		for _, name := range list {
			rule.actions = append(rule.actions, token{tokWord, "action", s.File, s.Line}, token{tokString, name, s.File, s.Line})
		}
	}
	c.rules = append(c.rules, rule)
	c.r.Note(rcfile.Carried, s.Option, "deliver")
}

// names reads "NAME" or { "NAME" ... } and returns what follows.
func names(t []token) (list []string, rest []token) {
	if len(t) == 0 {
		return nil, nil
	}
	if !t[0].symbol("{") {
		return []string{t[0].text}, t[1:]
	}
	for t = t[1:]; len(t) > 0 && t[0].text != "}"; t = t[1:] {
		if t[0].kind == tokString {
			list = append(list, t[0].text)
		}
	}
	return list, t[min(1, len(t)):]
}
