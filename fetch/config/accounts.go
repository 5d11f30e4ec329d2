package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// accounts is what one account's reading leaves for the next.
type accounts struct {
	base    Account           // defaults: with built-in defaults beneath
	current Account           // the one that is read: the table of keys is made once, for it
	lines   map[string]int    // where each is, by key path
	ids     map[string]string // names by ID
}

func newAccounts() accounts {
	return accounts{base: newAccount(), lines: map[string]int{}, ids: map[string]string{}}
}

func setDefaults(w *walker, path string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		w.wants(n, path, "a mapping of account keys")
		return
	}
	w.walk(path, n, accountKeys(&w.accounts.base, w.opts.Targets), false)
}

// setAccounts decodes and finishes one account after the other.
func setAccounts(w *walker, path string, n *yaml.Node, c *Config) {
	w.marks.share()
	keys := accountKeys(&w.accounts.current, w.opts.Targets)
	each := func(name, at string, body *yaml.Node) {
		c.Accounts = append(c.Accounts, w.decodeAccount(name, at, body, keys))
	}
	if w.split != nil {
		w.split.each(func(n *yaml.Node) { w.named(path, n, "an account", each) })
		return
	}
	if n.Kind != yaml.MappingNode {
		w.wants(n, path, "a mapping of accounts: each name with its keys")
		return
	}
	if len(n.Content) == 0 {
		w.errorf(n, path, "is empty: it needs at least one account")
		return
	}
	w.named(path, n, "an account", each)
}

// decodeAccount decodes an account onto a copy of the defaults, and finishes it.
// Decoding replaces parts and never changes them in place, so they may be shared.
func (w *walker) decodeAccount(name, at string, body *yaml.Node, keys []Row) *Account {
	w.accounts.current = w.accounts.base
	w.accounts.current.Name = name
	w.walk(at, body, keys, false)
	a := w.accounts.current
	w.finishAccount(&a)
	return &a
}

// named calls each with the mappings of a mapping by names: those of accounts, or
// of logins.
func (w *walker) named(path string, n *yaml.Node, what string, each func(name, at string, body *yaml.Node)) {
	found := w.pairs(path, n, false)
	for _, name := range found.names {
		p, at := found.of[name], join(path, name)
		if w.visits < 0 {
			w.errorf(p.key, at, "is reached by too many YAML aliases (*name)")
			return
		}
		if first, twice := w.accounts.lines[at]; twice {
			w.errorf(p.key, at, "is set twice, first at line %d", first)
			continue
		}
		w.accounts.lines[at] = p.key.Line
		body := w.target(p.value)
		w.marks.set(at, p)
		switch {
		case !accountName(name):
			w.errorf(p.key, path, "%s's name is made of letters, digits and . _ - + @, and starts with a letter or digit", what)
		case body.Kind != yaml.MappingNode:
			w.wants(body, at, "a mapping of "+what[strings.IndexByte(what, ' ')+1:]+" keys")
		default:
			each(name, at, body)
		}
	}
}

func accountName(s string) bool {
	return plainKey(s) && !strings.ContainsRune("._-+@", rune(s[0]))
}
