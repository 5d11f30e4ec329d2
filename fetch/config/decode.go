package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxVisits bounds the work that aliases to aliases can cause, beyond a visit for
// each byte of the file.
const maxVisits = 1_000_000

// walker holds what one walk over a file needs and finds.
type walker struct {
	file     string
	dir      string // relative paths start here
	opts     Options
	errs     Errors
	marks    marks
	split    *split // the accounts, if they are not in the document
	accounts accounts
	logins   logins
	last     []func() // what is checked when all keys of an account are read
	visits   int      // left
	// Of a list of accounts from elsewhere: the file that defaults are in, and
	// whether the list may bring nothing but values (see Source).
	defaults  string
	untrusted bool
}

// mark is where a key stands.
type mark struct {
	path       string
	key, value *yaml.Node
}

// marks are where the keys stand: those of the account that is read, and those of what
// is no account.
type marks struct{ own, shared map[string]mark }

func (m *marks) set(path string, p pair) {
	if m.own == nil {
		m.own = map[string]mark{}
	}
	m.own[path] = mark{path: path, key: p.key, value: p.value}
}

// share keeps the marks so far for all accounts.
func (m *marks) share() { m.own, m.shared = nil, m.own }

// get is false if the file does not set the key.
func (m *marks) get(path string) (at mark, ok bool) {
	if at, ok = m.own[path]; !ok {
		at, ok = m.shared[path]
	}
	return at, ok
}

// pair is one entry of a mapping.
type pair struct{ key, value *yaml.Node }

// errorf reports a mistake at n.
func (w *walker) errorf(n *yaml.Node, path, format string, args ...any) {
	file := w.file
	if w.defaults != "" && strings.HasPrefix(path, "defaults.") {
		file = w.defaults
	}
	w.errs = append(w.errs, &Error{
		File: file, Line: max(n.Line, 1), Col: max(n.Column, 1),
		Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// wants reports a value of the wrong shape. The value itself is not shown: it
// may be a secret in the wrong place.
func (w *walker) wants(n *yaml.Node, path, words string) {
	w.errorf(n, path, "wants %s, not %s", words, describe(n))
}

// has reports whether the file sets the key under path.
func (w *walker) has(path, name string) bool {
	_, ok := w.marks.get(path + "." + name)
	return ok
}

// target follows an alias. The walk visits each node through here, so here is
// where it is bounded.
func (w *walker) target(n *yaml.Node) *yaml.Node {
	w.visits--
	for range 8 {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// describe names the kind of a value in words.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		if n.Value == "~" {
			return `nothing (a lone ~ is YAML for nothing: quote it, "~")`
		}
		return "nothing"
	case "!!bool":
		return "a truth value (quote it if it is text)"
	case "!!int", "!!float":
		return "a number"
	case "!!str", "!!timestamp":
		return "a string"
	}
	return "a value with a tag"
}

// walk decodes n by the table, in the table's order, and reports what
// the table does not know. Hidden tables hold secrets: unknown keys there are
// not repeated in messages.
func (w *walker) walk(path string, n *yaml.Node, table []Row, hidden bool) {
	found := w.pairs(path, n, hidden)
	for _, k := range table {
		p, ok := found.of[k.name]
		if !ok {
			continue
		}
		at := join(path, k.name)
		w.marks.set(at, p)
		if w.visits < 0 {
			w.errorf(p.key, at, "is reached by too many YAML aliases (*name)")
			return
		}
		k.set(w, at, w.target(p.value))
	}
	for _, name := range found.names {
		known := slices.ContainsFunc(table, func(k Row) bool { return k.name == name })
		if !known && (path != "" || !strings.HasPrefix(name, "x-")) {
			w.unknown(path, name, found.of[name].key, tableNames(table), hidden)
		}
	}
}

func tableNames(table []Row) []string {
	names := make([]string, len(table))
	for i, k := range table {
		names[i] = k.name
	}
	return names
}

// unknown reports a key that no table knows.
func (w *walker) unknown(path, name string, n *yaml.Node, names []string, hidden bool) {
	switch {
	case hidden:
		w.errorf(n, path, "unknown key%s, wants one of %s", DidYouMean(name, names), strings.Join(names, ", "))
	case !plainKey(name):
		w.errorf(n, path, "unknown key (is a space missing after a colon?)")
	default:
		hint := DidYouMean(name, names)
		if s := synonym(name); hint == "" && s != "" && slices.Contains(names, s) {
			hint = fmt.Sprintf(" (did you mean %q?)", s)
		}
		switch {
		case hint != "":
		case path == "" && slices.Contains(tableNames(accountKeys(new(Account), nil)), name):
			hint = " here: it belongs to an account, or to defaults"
		case path != "" && slices.Contains(tableNames(configKeys(new(Config), nil)), name):
			hint = " here: it belongs to the top level of the file"
		}
		w.errorf(n, join(path, name), "unknown key%s", hint)
	}
}

// entries are those of one mapping with its merge keys applied.
type entries struct {
	of    map[string]pair
	names []string // in the order of the file, merged ones last
	// done are the mappings collected: once is enough, which also ends the
	// walk over a mapping that merges itself.
	done map[*yaml.Node]bool
}

// pairs returns the entries of a mapping: its own, then those of each merged
// mapping that it does not have, in order. Keys of a hidden mapping are not
// repeated in messages.
func (w *walker) pairs(path string, n *yaml.Node, hidden bool) entries {
	e := entries{of: make(map[string]pair, len(n.Content)/2), done: map[*yaml.Node]bool{}}
	w.collect(path, n, hidden, &e)
	return e
}

func (w *walker) collect(path string, n *yaml.Node, hidden bool, e *entries) {
	if e.done[n] {
		return
	}
	e.done[n] = true
	own := make(map[string]*yaml.Node)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		name := w.target(k)
		switch {
		case name.Kind != yaml.ScalarNode:
			w.errorf(k, path, "a key must be a string, not %s", describe(name))
		case name.ShortTag() == "!!merge":
			merges = append(merges, v)
		case own[name.Value] != nil:
			at := path
			if !hidden && plainKey(name.Value) {
				at = join(path, name.Value)
			}
			w.errorf(k, at, "is set twice, first at line %d", own[name.Value].Line)
		default:
			own[name.Value] = k
			if _, set := e.of[name.Value]; !set {
				e.of[name.Value] = pair{k, v}
				e.names = append(e.names, name.Value)
			}
		}
	}
	for _, v := range merges {
		w.merge(path, v, hidden, e)
	}
}

func (w *walker) merge(path string, v *yaml.Node, hidden bool, e *entries) {
	list := []*yaml.Node{v}
	if t := w.target(v); t.Kind == yaml.SequenceNode {
		list = t.Content
	}
	for _, m := range list {
		t := w.target(m)
		if t.Kind != yaml.MappingNode {
			w.errorf(m, path, "<< wants a mapping to merge, not %s", describe(t))
			continue
		}
		w.collect(path, t, hidden, e)
	}
}

// join appends a key to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// plainKey reports whether a key can be repeated in a message: one with other
// characters may be "password:SECRET" that lacks its space.
func plainKey(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, notPlain) < 0
}

func notPlain(r rune) bool {
	return !(r == '_' || r == '-' || r == '.' || r == '+' || r == '@' ||
		r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}
