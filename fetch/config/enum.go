package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// DedupeBy says how a message already in the target is recognised.
type DedupeBy uint8

// The values of dedupe.
const (
	DedupeOff DedupeBy = iota
	DedupeMessageID
	DedupeContent
)

// String returns the word used in the configuration.
func (v DedupeBy) String() string { return word(v, "off message-id content") }

// Duplicate says what becomes of a message already in the target.
type Duplicate uint8

// The values of dedupe.action.
const (
	DuplicateSkip Duplicate = iota
	DuplicateTag
	DuplicateDeliver
)

// String returns the word used in the configuration.
func (v Duplicate) String() string { return word(v, "skip tag deliver") }

// word returns the v-th of names.
func word[E ~uint8](v E, names string) string {
	if list := strings.Fields(names); int(v) < len(list) {
		return list[v]
	}
	return fmt.Sprintf("unknown(%d)", uint8(v))
}

// OneOf decodes the names of values.
func OneOf[T fmt.Stringer](values ...T) Kind[T] {
	return Choice(strings.Join(Words(values...), " "), values...)
}

// Words are the names of values.
func Words[T fmt.Stringer](values ...T) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
	}
	return names
}

// Choice decodes one of names into the value at the same place.
func Choice[T any](names string, values ...T) Kind[T] {
	return choiceOf("one of "+strings.Join(strings.Fields(names), ", "), names, values...)
}

// choiceOf is choice with its own words, where names are not all there is.
func choiceOf[T any](words, names string, values ...T) Kind[T] {
	list := strings.Fields(names)
	in := info{words: words, schema: func() schema { return schema{"enum": anys(list)} }}
	return Kind[T]{in, func(w *walker, path string, n *yaml.Node) (T, bool) {
		var none T
		got, ok := w.text(path, n, words)
		if !ok {
			return none, false
		}
		for i, name := range list {
			if name == got {
				return values[i], true
			}
		}
		w.errorf(n, path, "%v", notOneOf(words, got, meantValue(strings.ToLower(got), list)))
		return none, false
	}}
}

// notOneOf is the message for a word that is not in a list.
func notOneOf(words, got, hint string) error {
	if plainKey(got) {
		hint = fmt.Sprintf(", not %q%s", got, hint)
	}
	return fmt.Errorf("wants %s%s", words, hint)
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
