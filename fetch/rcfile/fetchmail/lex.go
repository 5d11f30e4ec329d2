package fetchmail

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// token is one token of a fetchmailrc.
type token struct {
	kind tokenKind
	text string // a string's value, a word as it stands, a number's digits
	line int
	// backslash means that it had escapes: their meaning changed in 6.6.7.
	backslash bool
}

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokString           // quoted, literal, or a word that is no keyword
	tokNumber
	tokWord // a keyword
	tokMap  // =
)

// is reports whether the token is one of the keywords named.
func (t token) is(words ...string) bool { return t.kind == tokWord && slices.Contains(words, t.text) }

// value reports whether the token can be the value of an option.
func (t token) value() bool { return t.kind == tokString || t.kind == tokNumber }

var (
	// space also matches ; : and , and comments, which start where a token may.
	space  = regexp.MustCompile(`^(?:[ \t\r\n;:,]|#[^\n]*|\\\n)*`)
	quoted = regexp.MustCompile(`^(?:"[^"]*"|'[^']*')`)
	word   = regexp.MustCompile(`^[^=;:, \t\r\n]+`)
	number = regexp.MustCompile(`^-?[0-9]+$`)
)

// lexer splits a fetchmailrc into tokens as fetchmail does: the longest
// match wins, and some keywords make the next token literal.
type lexer struct {
	rcfile.Scanner
	words   map[string]*keyword
	literal bool // after user, password, is, to and =
	auth    bool // after auth: password is a method
}

// next returns the next token; it skips noise words.
func (l *lexer) next() token {
	for {
		l.Match(space)
		t := token{line: l.Line}
		text, raw := quoted.FindString(l.Rest), word.FindString(l.Rest)
		switch {
		case l.Rest == "":
			return t
		case l.Rest[0] == '=':
			l.Take(1)
			l.literal, t.kind = true, tokMap
			return t
		case len(text) >= len(raw):
			l.Take(len(text))
			l.literal, l.auth = false, false
			return t.string(text[1 : len(text)-1])
		}
		l.Take(len(raw))
		if l.literal || !slices.Contains([]string{"and", "with", "has", "wants", "options"}, raw) {
			return l.classify(t, raw)
		}
	}
}

// string makes the token a string, with its escapes replaced.
func (t token) string(raw string) token {
	t.kind, t.text, t.backslash = tokString, escapes(raw), strings.Contains(raw, `\`)
	return t
}

// classify decides what a word is, and what it makes of the next one.
func (l *lexer) classify(t token, raw string) token {
	name := l.keyword(raw)
	switch {
	case l.literal:
		l.literal = false
	case number.MatchString(raw):
		t.kind, t.text = tokNumber, raw
		return t
	case name != "" && (name != "password" || !l.auth):
		t.kind, t.text = tokWord, name
		l.literal, l.auth = t.is("user", "password", "is", "to"), name == "auth"
		return t
	}
	l.auth = false
	return t.string(raw)
}

// keyword returns the keyword that s spells, in one spelling; else "". Some
// may follow no without a blank.
func (l *lexer) keyword(s string) string {
	if k := l.words[s]; k != nil {
		return k.spell(s)
	}
	if rest, ok := strings.CutPrefix(s, "no"); ok && l.words[rest] != nil && l.words[rest].kind&no != 0 {
		return "no" + l.words[rest].spell(rest)
	}
	return ""
}

var escape = regexp.MustCompile(`(?s)\\(?:[xX][0-9a-fA-F]{0,2}|0[0-7]{0,2}|[1-9][0-9]{0,2}|.|$)`)

// escapes replaces escapes: \xHH, \0 with octal digits, \ddd in decimal, C's
// letters; a backslash at a line's end joins it with the next.
func escapes(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		base, digits := 10, strings.TrimPrefix(e, `\`)
		switch {
		case digits == "" || digits == "\n":
			return ""
		case digits[0]|0x20 == 'x':
			base, digits = 16, "0"+digits[1:]
		case digits[0] == '0':
			base = 8
		}
		if n, err := strconv.ParseUint(digits, base, 64); err == nil {
			return string([]byte{byte(n)}) // wraps as a C char does
		}
		if i := strings.IndexByte("ntbr", digits[0]); i >= 0 {
			return "\n\t\b\r"[i : i+1]
		}
		return digits
	})
}
