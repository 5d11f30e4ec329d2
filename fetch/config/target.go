package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Target is one place that mail goes to. A row of the table of targets (package
// fetch/command/target) makes it; here it is a mapping that knows its keys.
type Target interface {
	// Kind is its key under deliver.
	Kind() string
	// ID names the target in the state. It does not change with what is only a
	// matter of how (timeouts, passwords).
	ID() string
	// Keys is the table of its mapping, bound to its fields.
	Keys() []Row
	// Check completes the target and says what is wrong, after Keys were filled.
	Check(Place)
}

// Addressee is implemented by a Target that takes recipients.
type Addressee interface {
	// Addressed reports whether the target can do without the account's `to`.
	Addressed() bool
}

// TargetKind is what this package knows of a row of the table of targets.
type TargetKind struct {
	// Name is its key under deliver, and Doc one line for people.
	Name, Doc string
	// Short is the key that a value stands for that is not a mapping; empty: a
	// mapping is needed.
	Short string
	// NoDedupe: it looks for no duplicates, and dedupe of an account that has no other
	// target is refused.
	NoDedupe bool
	// Exact: a message that is sent again must have the same bytes, and headers.received,
	// which has the time in it, is refused.
	Exact bool
	// New returns a target with the defaults.
	New func() Target
}

// TakesRecipients reports whether targets of this kind are Addressees.
func (k TargetKind) TakesRecipients() bool {
	_, ok := k.New().(Addressee)
	return ok
}

// Addressees are the kinds that take recipients, for people: "smtp, lmtp or pipe".
func Addressees(kinds []TargetKind) string {
	var names []string
	for _, k := range kinds {
		if k.TakesRecipients() {
			names = append(names, k.Name)
		}
	}
	return Or(names)
}

// Or joins words for people: "a, b or c".
func Or(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// target decodes a mapping with exactly one key, the kind.
func target(kinds []TargetKind) Kind[Target] {
	const words = "a target such as maildir: PATH"
	values := make([]Kind[Target], len(kinds)) // made once: there are many targets
	for i, k := range kinds {
		values[i] = k.value()
	}
	table := func(t *Target) []Row {
		keys := make([]Row, len(kinds))
		for i, k := range kinds {
			keys[i] = On(k.Name, "", k.Doc, values[i], t)
		}
		return keys
	}
	return Kind[Target]{
		info: info{words: words, schema: oneKeyOf(table), inner: innerKeys(table)},
		decode: func(w *walker, path string, n *yaml.Node) (t Target, ok bool) {
			if n.Kind != yaml.MappingNode {
				w.wants(n, path, words)
				return nil, false
			}
			before := len(w.errs)
			keys := table(&t)
			w.walk(path, n, keys, false)
			if len(w.errs) == before && len(w.pairs(path, n, false).names) != 1 {
				w.errorf(n, path, "wants exactly one of %s (is a - missing before the next?)", strings.Join(tableNames(keys), ", "))
			}
			return t, len(w.errs) == before
		}}
}

// value decodes what is under the kind's key.
func (k TargetKind) value() Kind[Target] {
	table := func(*Target) []Row { return k.New().Keys() }
	in := info{words: "a mapping", schema: objectSchema(table), inner: innerKeys(table)}
	names := tableNames(table(nil))
	if len(names) < 5 {
		in.words += " of " + strings.Join(names, ", ")
	}
	if i := slices.Index(names, k.Short); i >= 0 {
		short := table(nil)[i]
		in.words = short.words + ", or " + in.words
		in.schema = anyOf(short.schema, in.schema)
	}
	return Kind[Target]{in, func(w *walker, path string, n *yaml.Node) (Target, bool) {
		t := k.New()
		keys := t.Keys()
		switch i := slices.Index(names, k.Short); {
		case n.Kind == yaml.MappingNode:
			w.walk(path, n, keys, false)
		case i < 0:
			w.wants(n, path, in.words)
			return nil, false
		default:
			if _, ok := w.text(path, n, in.words); !ok {
				return nil, false
			}
			at := join(path, k.Short)
			w.marks.set(at, pair{n, n})
			keys[i].set(w, path, n)
		}
		t.Check(Place{w, path, n, t})
		return t, true
	}}
}

// Place is where a target stands in the file.
type Place struct {
	w      *walker
	path   string
	node   *yaml.Node
	target Target
}

// Has reports whether the file sets a key of the target.
func (p Place) Has(key string) bool { return p.w.has(p.path, key) }

// Needs reports a key that must be there.
func (p Place) Needs(key string) {
	if !p.Has(key) {
		p.Errorf("", "wants %s", key)
	}
}

// disabled reports whether the account of the target is.
func (p Place) disabled() bool {
	account, _, _ := strings.Cut(p.path, ".deliver[")
	m, ok := p.w.marks.get(join(account, "enabled"))
	if !ok {
		m, ok = p.w.marks.get("defaults.enabled")
	}
	on := true
	return ok && m.value.Decode(&on) == nil && !on
}

// own and has implement keyed.
func (p Place) own(name string) bool { return p.Has(name) }
func (p Place) has(name string) bool { return p.Has(name) }

// fail implements keyed.
func (p Place) fail(name, format string, args ...any) {
	if top, _, _ := strings.Cut(name, "."); !p.Has(top) {
		name = ""
	} else if !p.Has(name) {
		name = top
	}
	p.Errorf(name, format, args...)
}

// Secret checks that the file of a secret can be used, unless the account is disabled.
func (p Place) Secret(key string, s Secret) {
	p.w.last = append(p.w.last, func() {
		if !p.disabled() {
			checkSecret(p, key, s)
		}
	})
}

// Errorf reports a mistake at a key that is there, or at the target if key is empty.
func (p Place) Errorf(key, format string, args ...any) {
	if key == "" {
		p.w.errorf(p.node, p.path, format, args...)
		return
	}
	at := join(p.path, key)
	m, _ := p.w.marks.get(at)
	p.w.errorf(m.value, at, format, args...)
}

// targets is about the targets of an account together, and the recipients they need.
func (k *checker) targets() {
	m, ok := k.place("deliver")
	nodes := m.value
	if !ok || len(k.a.Deliver) == 0 {
		return
	}
	if nodes = k.w.target(nodes); len(nodes.Content) != len(k.a.Deliver) {
		return
	}
	seen, takes := map[string]bool{}, false
	for i, t := range k.a.Deliver {
		at := fmt.Sprintf("%s[%d]", m.path, i)
		to, ok := t.(Addressee)
		takes = takes || ok
		if ok && !to.Addressed() && !k.has("to") {
			k.w.errorf(nodes.Content[i], join(at, t.Kind()), "wants to: the recipients")
		}
		if seen[t.ID()] {
			hint := ""
			if r, ok := t.(interface{ Remote() *Remote }); ok && r.Remote().User == "" {
				hint = ", or set user of each if they are two mailboxes"
			}
			k.w.errorf(nodes.Content[i], at, "is the same target as one above: remove one%s", hint)
		}
		seen[t.ID()] = true
	}
	if k.isMapping("to") && !takes {
		k.fail("to", "has no use: no target takes a recipient (%s)", Addressees(k.w.opts.Targets))
	}
	k.dedupe()
	k.exact()
}

// exact is about a Received field, whose time is another one when a message is sent again:
// services know it again by its bytes. What the account inherits is for others.
func (k *checker) exact() {
	exact := func(t Target) bool {
		return slices.ContainsFunc(k.w.opts.Targets, func(kind TargetKind) bool { return kind.Name == t.Kind() && kind.Exact })
	}
	i := slices.IndexFunc(k.a.Deliver, exact)
	switch {
	case i < 0 || !k.a.Policy.Received:
	case k.own("headers"):
		k.fail("headers", "received conflicts with %s: a message that is sent again has to be the same, or it arrives twice", k.a.Deliver[i].Kind())
	default:
		k.a.Policy.Received = false
	}
}

// dedupe is about an account that wants no duplicates, of targets that cannot look. What
// it inherits may be meant for others.
func (k *checker) dedupe() {
	looks := func(t Target) bool {
		return slices.ContainsFunc(k.w.opts.Targets, func(kind TargetKind) bool { return kind.Name == t.Kind() && !kind.NoDedupe })
	}
	if k.own("dedupe") && k.a.Dedupe.By != DedupeOff && len(k.a.Deliver) > 0 && !slices.ContainsFunc(k.a.Deliver, looks) {
		k.fail("dedupe", "has no use: %s looks for no duplicates", k.a.Deliver[0].Kind())
	}
}
