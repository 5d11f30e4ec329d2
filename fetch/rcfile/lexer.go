package rcfile

import (
	"regexp"
	"slices"
	"strings"
)

// Kind is the kind of a token.
type Kind uint8

// The kinds. Symbol is one byte that no pattern matches.
const (
	End Kind = iota
	Symbol
	Word
	Text
	Number
	Macro
	Shell // a command whose output belongs there; it is never run
)

// Token is one token of a configuration.
type Token struct {
	Kind Kind
	// Text is its meaning, Raw what stands in the file.
	Text, Raw string
	File      string
	Line      int
}

// Is reports whether the token is a word, one of those named.
func (t Token) Is(words ...string) bool { return t.Kind == Word && slices.Contains(words, t.Text) }

// Symbol reports whether the token is a symbol.
func (t Token) Symbol(s string) bool { return t.Kind == Symbol && t.Text == s }

// Option is the option that starts with the token.
func (t Token) Option(text string) Option {
	return Option{File: t.File, Line: t.Line, Name: t.Text, Text: text}
}

// Lexer splits a file into tokens.
type Lexer struct {
	File string
	// Line is the line of the first byte of Rest.
	Line int
	Rest string
	// Space is what stands between tokens. Of the Patterns the one with the
	// longest match wins, the first of those. All start with ^.
	Space    *regexp.Regexp
	Patterns []Pattern
}

// Pattern is what tokens of a kind look like.
type Pattern struct {
	Kind Kind
	*regexp.Regexp
}

// Next takes the next token.
func (l *Lexer) Next() Token {
	l.take(len(l.Space.FindString(l.Rest)))
	t, n := Token{File: l.File, Line: l.Line}, 0
	for _, p := range l.Patterns {
		if m := len(p.FindString(l.Rest)); m > n {
			t.Kind, n = p.Kind, m
		}
	}
	if n == 0 && l.Rest != "" {
		t.Kind, n = Symbol, 1
	}
	t.Raw = l.take(n)
	t.Text = t.Raw
	return t
}

func (l *Lexer) take(n int) string {
	taken := l.Rest[:n]
	l.Rest = l.Rest[n:]
	l.Line += strings.Count(taken, "\n")
	return taken
}
