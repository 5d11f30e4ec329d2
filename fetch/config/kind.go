package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// schema is a piece of JSON Schema.
type schema = map[string]any

// info describes what a kind accepts, for people and for JSON Schema.
type info struct {
	words  string
	schema func() schema           // made only when it is asked for: tables are made for each account
	inner  func(path string) []Key // nil for a scalar
}

// fixed is the schema of a scalar.
func fixed(s schema) func() schema { return func() schema { return s } }

// anyOf accepts what one of several schemas accepts.
func anyOf(of ...func() schema) func() schema {
	return func() schema {
		list := make([]any, len(of))
		for i, s := range of {
			list[i] = s()
		}
		return schema{"anyOf": list}
	}
}

// Kind decodes one YAML value, with aliases already followed, into a T. False
// means that it was wrong and has been reported.
type Kind[T any] struct {
	info
	decode func(w *walker, path string, n *yaml.Node) (T, bool)
}

// Row is one row of a table: a key of a mapping, and where its value goes. A
// table is made for the value that it fills.
type Row struct {
	info
	name, def, doc string
	set            func(w *walker, path string, n *yaml.Node)
}

// On makes a row that fills field. def is the default in words, doc one line.
func On[T any](name, def, doc string, k Kind[T], field *T) Row {
	return given(name, def, doc, k, func(v T) { *field = v })
}

// given makes a row that hands over its value.
func given[T any](name, def, doc string, k Kind[T], take func(T)) Row {
	return Row{info: k.info, name: name, def: def, doc: doc,
		set: func(w *walker, path string, n *yaml.Node) {
			if v, ok := k.decode(w, path, n); ok {
				take(v)
			}
		}}
}

// then calls f once the row's key was met, right or wrong.
func (k Row) then(f func()) Row {
	set := k.set
	k.set = func(w *walker, path string, n *yaml.Node) {
		set(w, path, n)
		f()
	}
	return k
}

// within makes a row for a mapping that fills fields of dst one by one: keys
// that it lacks keep their values.
func within[S any](name, doc string, table func(*S) []Row, dst *S) Row {
	const words = "a mapping"
	return Row{name: name, doc: doc, info: info{words: words, schema: objectSchema(table), inner: innerKeys(table)},
		set: func(w *walker, path string, n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				w.wants(n, path, words)
				return
			}
			w.walk(path, n, table(dst), false)
		}}
}

// mapping decodes by a table into a copy of fresh. check, if not nil, is called
// with the result for what concerns several keys.
func mapping[S any](words string, fresh S, table func(*S) []Row,
	check func(w *walker, path string, n *yaml.Node, v *S)) Kind[S] {
	return Kind[S]{
		info: info{words: words, schema: objectSchema(table), inner: innerKeys(table)},
		decode: func(w *walker, path string, n *yaml.Node) (S, bool) {
			v := fresh
			if n.Kind != yaml.MappingNode {
				w.wants(n, path, words)
				return v, false
			}
			w.walk(path, n, table(&v), false)
			if check != nil {
				check(w, path, n, &v)
			}
			return v, true
		}}
}

// pointer decodes into a new T, for optional parts.
func pointer[T any](k Kind[T]) Kind[*T] {
	return Kind[*T]{k.info, func(w *walker, path string, n *yaml.Node) (*T, bool) {
		v, ok := k.decode(w, path, n)
		return &v, ok
	}}
}

// either decodes a mapping with m and anything else with short, whose words
// speak of both.
func either[T any](short, m Kind[T]) Kind[T] {
	return Kind[T]{
		info: info{
			words:  short.words,
			schema: anyOf(short.schema, m.schema),
			inner:  m.inner,
		},
		decode: func(w *walker, path string, n *yaml.Node) (T, bool) {
			if n.Kind == yaml.MappingNode {
				return m.decode(w, path, n)
			}
			return short.decode(w, path, n)
		}}
}

// List decodes a sequence of at least one element.
func List[T any](of Kind[T], words string) Kind[[]T] {
	in := info{words: words, schema: func() schema { return schema{"type": "array", "items": of.schema(), "minItems": 1} }}
	if of.inner != nil {
		in.inner = func(path string) []Key { return of.inner(path + "[]") }
	}
	return Kind[[]T]{in, func(w *walker, path string, n *yaml.Node) ([]T, bool) {
		if n.Kind != yaml.SequenceNode {
			w.wants(n, path, words)
			return nil, false
		}
		if len(n.Content) == 0 {
			w.errorf(n, path, "is empty")
			return nil, false
		}
		out := make([]T, 0, len(n.Content))
		good := true
		for i, c := range n.Content {
			if w.visits < 0 {
				w.errorf(c, path, "is reached by too many YAML aliases (*name)")
				return nil, false
			}
			v, ok := of.decode(w, fmt.Sprintf("%s[%d]", path, i), w.target(c))
			good = good && ok
			out = append(out, v)
		}
		return out, good
	}}
}

// OneOrMore decodes a sequence, or a single value as a list of one.
func OneOrMore[T any](of Kind[T], words string) Kind[[]T] {
	many := List(of, words)
	return Kind[[]T]{
		info: info{words: words, schema: anyOf(of.schema, many.schema), inner: many.inner},
		decode: func(w *walker, path string, n *yaml.Node) ([]T, bool) {
			if n.Kind == yaml.SequenceNode {
				return many.decode(w, path, n)
			}
			v, ok := of.decode(w, path, n)
			return []T{v}, ok
		}}
}

// parsed decodes a scalar's text with parse, whose error is the message. The
// error must not repeat the text if it may be a secret.
func parsed[T any](words string, s schema, parse func(w *walker, text string) (T, error)) Kind[T] {
	return Kind[T]{info{words: words, schema: fixed(s)}, func(w *walker, path string, n *yaml.Node) (T, bool) {
		var none T
		text, ok := w.text(path, n, words)
		if !ok {
			return none, false
		}
		v, err := parse(w, text)
		if err != nil {
			w.errorf(n, path, "%v", err)
			return none, false
		}
		return v, true
	}}
}

// Parsed decodes text with parse, whose error is the message.
func Parsed[T any](words string, parse func(text string) (T, error)) Kind[T] {
	return parsed(words, schema{"type": "string"}, func(_ *walker, s string) (T, error) { return parse(s) })
}

// text returns a scalar as it is written. Numbers count as text (user: 12345),
// true and null do not: they are nearly always a slip.
func (w *walker) text(path string, n *yaml.Node, words string) (string, bool) {
	if n.Kind == yaml.ScalarNode && slices.Contains([]string{"!!str", "!!int", "!!float", "!!timestamp"}, n.ShortTag()) {
		return n.Value, true
	}
	w.wants(n, path, words)
	return "", false
}

// Text decodes one line of text that is not empty.
func Text(words string) Kind[string] {
	return parsed(words, schema{"type": []string{"string", "number"}}, func(_ *walker, s string) (string, error) {
		return s, checkText(s)
	})
}

// checkText refuses what cannot be one line of a protocol or a name.
func checkText(s string) error {
	if s == "" {
		return fmt.Errorf("is empty: give it a value, or leave the key out")
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("has a line break or another control character in it")
	}
	return nil
}

// Boolean decodes true or false. YAML 1.1's yes and on are refused: what they
// mean depends on the reader.
func Boolean() Kind[bool] {
	const words = "true or false"
	return Kind[bool]{info{words: words, schema: fixed(schema{"type": "boolean"})},
		func(w *walker, path string, n *yaml.Node) (bool, bool) {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
				return strings.EqualFold(n.Value, "true"), true
			}
			switch strings.ToLower(n.Value) {
			case "yes", "on", "y":
				w.errorf(n, path, "wants %s (did you mean \"true\"?)", words)
			case "no", "off", "n":
				w.errorf(n, path, "wants %s (did you mean \"false\"?)", words)
			default:
				w.wants(n, path, words)
			}
			return false, false
		}}
}

// Integer decodes a decimal number from low to high.
func Integer(low, high int) Kind[int] {
	words := fmt.Sprintf("a number from %d to %d", low, high)
	s := schema{"type": "integer", "minimum": low, "maximum": high}
	return Kind[int]{info{words: words, schema: fixed(s)}, func(w *walker, path string, n *yaml.Node) (int, bool) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
			w.wants(n, path, words)
			return 0, false
		}
		// Atoi reads 010 as ten, YAML 1.1 as eight: refuse rather than guess.
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < low || v > high || strconv.Itoa(v) != n.Value {
			w.errorf(n, path, "wants %s, not %s", words, n.Value)
			return 0, false
		}
		return v, true
	}}
}

// argument decodes one argument of a command. Any scalar is its own text: true
// is an argument like another.
func argument() Kind[string] {
	s := schema{"type": []string{"string", "number", "boolean"}}
	return Kind[string]{info{words: "a string", schema: fixed(s)}, func(w *walker, path string, n *yaml.Node) (string, bool) {
		text, ok := n.Value, true
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			text, ok = w.text(path, n, "a string")
		}
		if strings.ContainsRune(text, 0) {
			w.errorf(n, path, "has a NUL byte in it")
			return "", false
		}
		return text, ok
	}}
}

// Command decodes a command: a program and its arguments.
func Command() Kind[[]string] {
	args := List(argument(), "a list: a program and its arguments")
	decode := args.decode
	args.decode = func(w *walker, path string, n *yaml.Node) ([]string, bool) {
		if w.untrusted {
			w.errorf(n, path, "is a command, and %s is not trusted", w.file)
			return nil, false
		}
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
			w.errorf(n, path, "wants a list such as [program, argument], not a string: there is no shell"+
				" (if you need one: [sh, -c, \"...\"])")
			return nil, false
		}
		out, ok := decode(w, path, n)
		if !ok {
			return nil, false
		}
		if out[0] == "" {
			w.errorf(n, path, "names no program")
			return nil, false
		}
		var err error
		if out[0], err = w.opts.tilde(out[0]); err != nil {
			w.errorf(n, path, "%v", err)
			return nil, false
		}
		return out, true
	}
	return args
}

// Assignment decodes NAME=VALUE.
func Assignment() Kind[string] {
	return parsed("NAME=VALUE", schema{"type": "string", "pattern": "^[^=]+="}, func(_ *walker, s string) (string, error) {
		if name, _, ok := strings.Cut(s, "="); !ok || !plainKey(name) || strings.ContainsRune(s, 0) {
			return "", errors.New("wants NAME=VALUE")
		}
		return s, nil
	})
}
