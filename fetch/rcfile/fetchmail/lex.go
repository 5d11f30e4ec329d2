package fetchmail

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

var (
	// space also matches ; : and , and comments, which start where a token may.
	space    = regexp.MustCompile(`^(?:[ \t\r\n;:,]|#[^\n]*|\\\n)*`)
	patterns = []rcfile.Pattern{
		{Kind: rcfile.Text, Regexp: regexp.MustCompile(`^(?:"[^"]*"|'[^']*')`)},
		{Kind: rcfile.Word, Regexp: regexp.MustCompile(`^[^=;:, \t\r\n]+`)},
	}
	number = regexp.MustCompile(`^-?[0-9]+$`)
)

// lexer splits a fetchmailrc into tokens as fetchmail does: a word that is no
// keyword is Text, and some keywords make the next token literal.
type lexer struct {
	rcfile.Lexer
	words   rcfile.Rows
	literal bool // after user, password, is, to and =
	auth    bool // after auth: password is a method
}

// next returns the next token; it skips noise words.
func (l *lexer) next() rcfile.Token {
	t := l.Next()
	for t.Kind == rcfile.Word && !l.literal && slices.Contains([]string{"and", "with", "has", "wants", "options"}, t.Raw) {
		t = l.Next()
	}
	literal, auth, name := l.literal, l.auth, l.keyword(t.Raw)
	l.literal, l.auth = t.Symbol("="), false
	switch {
	case t.Kind == rcfile.Text:
		t.Text = escapes(t.Raw[1 : len(t.Raw)-1])
	case t.Kind != rcfile.Word:
	case !literal && number.MatchString(t.Raw):
		t.Kind = rcfile.Number
	case !literal && name != "" && (name != "password" || !auth):
		t.Text = name
		l.literal, l.auth = t.Is("user", "password", "is", "to"), name == "auth"
	default:
		t.Kind, t.Text = rcfile.Text, escapes(t.Raw)
	}
	return t
}

// keyword returns the keyword that s spells, in one spelling; else "". Some
// may follow no without a blank.
func (l *lexer) keyword(s string) string {
	rest, negated := strings.CutPrefix(s, "no")
	if k, known := l.words[s]; known {
		return k.Name
	} else if k := l.words[rest]; negated && k.Is("no") {
		return "no" + k.Name
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
