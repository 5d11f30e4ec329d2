package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxVisits bounds the work that aliases to aliases can cause.
const maxVisits = 1_000_000

// walker holds what one walk over a file needs and finds.
type walker struct {
	file   string
	dir    string // relative paths start here
	opts   Options
	errs   Errors
	marks  map[string]mark // by key path
	base   Account         // defaults: with built-in defaults beneath
	visits int
}

// mark is where a key stands.
type mark struct {
	path       string
	key, value *yaml.Node
}

// pair is one entry of a mapping.
type pair struct{ key, value *yaml.Node }

// errorf reports a mistake at n.
func (w *walker) errorf(n *yaml.Node, path, format string, args ...any) {
	w.errs = append(w.errs, &Error{
		File: w.file, Line: max(n.Line, 1), Col: max(n.Column, 1),
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
	_, ok := w.marks[path+"."+name]
	return ok
}

// target follows an alias. The walk visits each node through here, so here is
// where it is bounded.
func (w *walker) target(n *yaml.Node) *yaml.Node {
	w.visits++
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

// walkMapping decodes n by the table, in the table's order, and reports what
// the table does not know. Hidden tables hold secrets: unknown keys there are
// not repeated in messages.
func walkMapping[S any](w *walker, path string, n *yaml.Node, dst *S, table []key[S], hidden bool) {
	pairs := w.pairs(path, n, hidden)
	for _, k := range table {
		p, ok := pairs[k.name]
		if !ok {
			continue
		}
		at := join(path, k.name)
		w.marks[at] = mark{path: at, key: p.key, value: p.value}
		if w.visits > maxVisits {
			w.errorf(p.key, at, "too many aliases")
			return
		}
		k.set(w, at, w.target(p.value), dst)
		delete(pairs, k.name)
	}
	names := tableNames(table)
	for name, p := range pairs {
		if path == "" && strings.HasPrefix(name, "x-") {
			continue
		}
		w.unknown(path, name, p.key, names, hidden)
	}
}

func tableNames[S any](table []key[S]) []string {
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
		w.errorf(n, path, "unknown key%s, wants one of %s", didYouMean(name, names), strings.Join(names, ", "))
	case !plainKey(name):
		w.errorf(n, path, "unknown key (is a space missing after a colon?)")
	default:
		hint := didYouMean(name, names)
		if s := synonym(name); hint == "" && s != "" && contains(names, s) {
			hint = fmt.Sprintf(" (did you mean %q?)", s)
		}
		switch {
		case hint != "":
		case path == "" && contains(tableNames(accountKeys()), name):
			hint = " here: it belongs to an account, or to defaults"
		case path != "" && contains(tableNames(configKeys()), name):
			hint = " here: it belongs to the top level of the file"
		}
		w.errorf(n, join(path, name), "unknown key%s", hint)
	}
}

// pairs returns the entries of a mapping with merge keys applied: its own
// entries first, then those of each merged mapping in order.
func (w *walker) pairs(path string, n *yaml.Node, hidden bool) map[string]pair {
	out := make(map[string]pair, len(n.Content)/2)
	w.collect(path, n, hidden, out, 0)
	return out
}

func (w *walker) collect(path string, n *yaml.Node, hidden bool, out map[string]pair, depth int) {
	if depth > 8 {
		w.errorf(n, path, "merge keys are nested too deeply, or merge themselves")
		return
	}
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
			if _, set := out[name.Value]; !set {
				out[name.Value] = pair{k, v}
			}
		}
	}
	for _, v := range merges {
		w.merge(path, v, hidden, out, depth)
	}
}

func (w *walker) merge(path string, v *yaml.Node, hidden bool, out map[string]pair, depth int) {
	list := []*yaml.Node{v}
	if t := w.target(v); t.Kind == yaml.SequenceNode {
		list = t.Content
	}
	for _, m := range list {
		t := w.target(m)
		if w.visits > maxVisits {
			return
		}
		if t.Kind != yaml.MappingNode {
			w.errorf(m, path, "<< wants a mapping to merge, not %s", describe(t))
			continue
		}
		w.collect(path, t, hidden, out, depth+1)
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
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		ok := r == '_' || r == '-' || r == '.' || r == '+' || r == '@' ||
			r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !ok {
			return false
		}
	}
	return true
}
