package config

import (
	"errors"
	"strings"
	"time"
)

// What follows is for the rows of the table of targets.

// Row is a key of a target's mapping, bound to the field that it fills.
type Row = key

// Kind decodes one YAML value into a T.
type Kind[T any] = kind[T]

// On makes a Row that fills field. def is the default in words, doc one line.
func On[T any](name, def, doc string, k Kind[T], field *T) Row {
	return on(name, def, doc, k, field)
}

// Path decodes a path, which becomes absolute and clean.
func Path() Kind[string] { return path() }

// Duration decodes a duration of at least low.
func Duration(low time.Duration) Kind[time.Duration] { return duration(low) }

// Choice decodes one of names into the value at the same place.
func Choice[T any](names string, values ...T) Kind[T] { return choice(names, values...) }

// Boolean decodes true or false.
func Boolean() Kind[bool] { return boolean() }

// Text decodes one line of text that is not empty.
func Text(words string) Kind[string] { return str(words) }

// Parsed decodes text with parse, whose error is the message.
func Parsed[T any](words string, parse func(text string) (T, error)) Kind[T] {
	return parsed(words, schema{"type": "string"}, func(_ *walker, s string) (T, error) { return parse(s) })
}

// List decodes a sequence of at least one element.
func List[T any](of Kind[T], words string) Kind[[]T] { return list(of, words) }

// OneOrMore decodes a sequence, or a single value as a list of one.
func OneOrMore[T any](of Kind[T], words string) Kind[[]T] { return oneOrMore(of, words) }

// Command decodes a program and its arguments.
func Command() Kind[[]string] { return argv() }

// Assignment decodes NAME=VALUE.
func Assignment() Kind[string] {
	return parsed("NAME=VALUE", schema{"type": "string", "pattern": "^[^=]+="}, func(_ *walker, s string) (string, error) {
		if name, _, ok := strings.Cut(s, "="); !ok || !plainKey(name) || strings.ContainsRune(s, 0) {
			return "", errors.New("wants NAME=VALUE")
		}
		return s, nil
	})
}

// HostName decodes the name of a host.
func HostName() Kind[string] { return hostName() }

// HostPort decodes host or host:port, HostPortOrSocket the path of a socket too.
func HostPort() Kind[Server] { return server() }

// HostPortOrSocket is HostPort that also takes the path of a socket.
func HostPortOrSocket() Kind[Server] { return serverOrSocket() }

// SecretOf decodes one of the forms of a secret.
func SecretOf() Kind[Secret] { return secret() }
