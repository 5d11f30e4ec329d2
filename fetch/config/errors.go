package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	// File is the name given to Load or Parse.
	File string
	// Line and Col count from 1.
	Line, Col int
	// Path is the key, as accounts.work.keep; empty for the file as a whole.
	Path string
	// Message says what is wrong. It never contains a secret.
	Message string
}

// Error returns "FILE:LINE:COL: PATH: MESSAGE".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.What())
}

// What is Error without the place.
func (e *Error) What() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Errors is every mistake in one file, in the order of the file. Load and
// Parse return it as their error; find it with errors.As.
type Errors []*Error

// Error returns one line a mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes for errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// sorted orders by position and drops what is reported twice at one place: a
// mistake inside an anchor is met once for each alias.
func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.CompactFunc(es, func(a, b *Error) bool {
		return a.Line == b.Line && a.Col == b.Col && a.Message == b.Message
	})
}
