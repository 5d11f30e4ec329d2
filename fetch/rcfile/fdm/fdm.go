// Package fdm reads fdm's configuration and its caches.
package fdm

import "github.com/mailhaul/mailhaul/fetch/rcfile"

// FormatFdm reads fdm's files.
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
	maxSize statement
	verify  bool
	proxy   statement
	lock    string
	many    bool
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
	c := &conf{r: r, actions: map[string][]token{}}
	for _, s := range statements {
		switch s.word {
		case "set":
			c.set(s)
		case "action":
			if len(s.tokens) > 2 {
				c.actions[s.tokens[1].text] = s.tokens[2:]
			}
		case "match":
			c.match(s)
		case "account":
		case "cache":
			r.AddNote(rcfile.Dropped, s.File, s.Line, s.Text, "is a list of the user's own, not of messages seen")
		default:
			return rcfile.Syntax(s.File, s.Line, "unexpected %q", s.word)
		}
	}
	for _, s := range statements {
		if s.word == "account" {
			c.account(s)
		}
	}
	c.locks()
	return nil
}

func (c *conf) locks() {
	switch {
	case c.many:
		c.r.NoLock = "fdm runs without a lock here (allow-multiple): make sure that it does not run"
	case c.lock != "":
		c.r.Locks = []string{c.lock}
	case c.r.Options.Root:
		c.r.Locks = []string{"/var/db/fdm.lock"}
	default:
		c.r.Locks = rcfile.NonEmpty([]string{rcfile.Under(c.r.Options.Home, ".fdm.lock")})
	}
}

// set handles the global options.
func (c *conf) set(s statement) {
	if len(s.tokens) < 2 {
		return
	}
	arg := ""
	if len(s.tokens) > 2 {
		arg, _ = tags(c.r.Options, s.tokens[2].text)
	}
	why := "has no counterpart"
	switch s.tokens[1].text {
	case "maximum-size":
		c.maxSize = s
		return
	case "proxy":
		c.proxy = s
		return
	case "verify-certificates":
		c.verify = true
		c.r.AddNote(rcfile.Carried, s.File, s.Line, s.Text, "certificates are always checked")
		return
	case "lock-file":
		c.lock = arg
		c.r.AddNote(rcfile.Carried, s.File, s.Line, s.Text, "used to see whether fdm runs")
		return
	case "allow-multiple":
		c.many = true
		why = "two runs never work on one maildrop"
	case "no-received":
		c.r.AddNote(rcfile.Carried, s.File, s.Line, s.Text, "is so anyway")
		return
	case "delete-oversized":
		why = "nothing is deleted that was not delivered: max_size skips large messages"
	case "unmatched-mail":
		why = "all mail of an account goes to its targets"
	case "timeout":
		why = "see timeout of each account"
	case "queue-high", "queue-low", "purge-after", "strip-characters", "lock-types", "lock-wait", "lock-timeout":
		why = "is not needed"
	case "ignore-errors":
		why = "an error of one account never keeps the others from being fetched"
	case "no-create":
		why = "a Maildir or mbox that is missing is made"
	case "file-umask":
		why = "files are readable by their owner only (mode 0600), whatever the umask: mailhaul has no key for it; let the target give access to a group"
	case "default-user", "command-user", "file-group", "lookup-order":
		why = "mailhaul delivers as the user who runs it"
	case "parallel-accounts":
		why = "see parallel"
	}
	c.r.AddNote(rcfile.Dropped, s.File, s.Line, s.Text, why)
}

// match keeps the rules that hold for all mail or all mail of accounts.
func (c *conf) match(s statement) {
	rule := rule{Option: s.Option}
	t := s.tokens[1:]
	ok := len(t) > 0
	switch {
	case !ok:
	case t[0].text == "all":
		t = t[1:]
	case (t[0].text == "account" || t[0].text == "accounts") && t[0].kind == tokWord && len(t) > 1:
		rule.accounts, t = names(t[1:])
	default:
		ok = false
	}
	if n := len(t); n > 0 && t[n-1].kind == tokWord && t[n-1].text == "continue" {
		rule.more, t = true, t[:n-1]
	}
	if !ok || len(t) < 2 || t[0].kind != tokWord || t[0].text != "action" && t[0].text != "actions" {
		c.r.AddNote(rcfile.Dropped, s.File, s.Line, s.Text, "mailhaul does not sort mail: let the target do it (a pipe to a filter, or the reader's Sieve)")
		return
	}
	rule.actions = t[1:]
	if t[1].kind == tokString || t[1].text == "{" && len(t) > 2 && t[2].kind == tokString {
		names, _ := names(t[1:])
		rule.actions = nil
		for _, name := range names {
			rule.actions = append(rule.actions, token{tokWord, "action", s.File, s.Line}, token{tokString, name, s.File, s.Line})
		}
	}
	c.rules = append(c.rules, rule)
	c.r.AddNote(rcfile.Carried, s.File, s.Line, s.Text, "deliver")
}

// names reads "NAME" or { "NAME" ... } and returns what follows.
func names(t []token) (names []string, rest []token) {
	if len(t) > 0 && t[0].text == "{" && t[0].kind == tokSymbol {
		for t = t[1:]; len(t) > 0 && t[0].text != "}"; t = t[1:] {
			if t[0].kind == tokString {
				names = append(names, t[0].text)
			}
		}
		return names, t[min(1, len(t)):]
	}
	if len(t) == 0 {
		return nil, nil
	}
	return []string{t[0].text}, t[1:]
}
