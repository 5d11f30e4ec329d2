package fdm

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokWord
	tokString
	tokNumber
	tokMacro   // $name or %name
	tokCommand // $(...) or %(...), never run
	tokSymbol
)

// token is one token of an fdm.conf.
type token struct {
	kind tokenKind
	text string
	file string
	line int
}

// is reports whether the token is a word, one of those named.
func (t token) is(words ...string) bool { return t.kind == tokWord && slices.Contains(words, t.text) }

func (t token) symbol(s string) bool { return t.kind == tokSymbol && t.text == s }

// option is the option that starts with the token.
func (t token) option(text string) rcfile.Option {
	return rcfile.Option{File: t.file, Line: t.line, Name: t.text, Text: text}
}

// What a token can be. In double quotes a backslash takes the next byte as it
// is, save \r \n \t, and ${name} and %{name} are replaced.
var (
	space     = regexp.MustCompile(`^(?:[ \t\r\n]|#[^\n]*)*`)
	digits    = regexp.MustCompile(`^[0-9]+`)
	word      = regexp.MustCompile(`^[\w-]+`)
	macro     = regexp.MustCompile(`^[$%](?:\{[\w-]{1,100}\}|[\w-]{1,100})`)
	text      = regexp.MustCompile(`^(?s:"(?:[^"\\]|\\.)*"|'[^']*')`)
	inText    = regexp.MustCompile(`(?s)\\.|[$%]\{[\w-]{1,100}\}|[$%]\{`)
	inCommand = regexp.MustCompile(`^(?s:[^()"']+|"(?:[^"\\]|\\.)*"|'[^']*')`)
)

// lexer splits one file into tokens. Macros within strings are replaced by
// those defined so far. After a mistake every token is the end of the file.
type lexer struct {
	rcfile.Scanner
	macros map[string]string
	err    error
}

func (l *lexer) fail(line int, format string, args ...any) {
	if l.err == nil {
		l.err = rcfile.Syntax(l.File, line, format, args...)
	}
}

func (l *lexer) next() token {
	l.Match(space)
	t := token{file: l.File, line: l.Line}
	if l.Rest == "" {
		return t
	}
	switch c := l.Rest[0]; {
	case c == '"' || c == '\'':
		t.kind, t.text = tokString, l.str()
	case strings.HasPrefix(l.Rest, "$(") || strings.HasPrefix(l.Rest, "%("):
		t.kind, t.text = tokCommand, l.command()
	case c == '$' || c == '%':
		name := l.Match(macro)
		if name == "" {
			l.fail(t.line, "%c wants the name of a macro", c)
		}
		t.kind, t.text = tokMacro, bare(name)
	case c >= '0' && c <= '9':
		t.kind, t.text = tokNumber, l.Match(digits)
	default:
		if t.kind, t.text = tokWord, l.Match(word); t.text == "" {
			t.kind, t.text = tokSymbol, l.Take(1)
		}
	}
	if l.err != nil {
		return token{}
	}
	return t
}

// bare is the name of a macro without braces.
func bare(name string) string { return strings.NewReplacer("{", "", "}", "").Replace(name) }

// str takes a string.
func (l *lexer) str() string {
	start, quote := l.Line, l.Rest[0]
	s := l.Match(text)
	if s == "" {
		l.fail(start, "a %c is missing", quote)
		return ""
	}
	if s = s[1 : len(s)-1]; quote == '\'' {
		return s
	}
	size := 0
	return inText.ReplaceAllStringFunc(s, func(part string) string {
		if part[0] == '\\' {
			if i := strings.IndexByte("rnt", part[1]); i >= 0 {
				return "\r\n\t"[i : i+1]
			}
			return part[1:]
		}
		v := l.macros[bare(part)]
		if size += len(v); len(part) == 2 {
			l.fail(start, "%c wants the name of a macro", part[0])
		} else if size > rcfile.MaxConfig {
			l.fail(start, "the string is too long")
			return ""
		}
		return v
	})
}

// command takes $( to the closing parenthesis, past nested ones and quotes.
func (l *lexer) command() string {
	start, rest := l.Line, l.Rest[2:]
	l.Take(2)
	for depth := 0; ; {
		switch {
		case l.Match(inCommand) != "":
		case strings.HasPrefix(l.Rest, "("):
			depth++
			l.Take(1)
		case strings.HasPrefix(l.Rest, ")") && depth > 0:
			depth--
			l.Take(1)
		case strings.HasPrefix(l.Rest, ")"):
			n := len(rest) - len(l.Rest)
			l.Take(1)
			return rest[:n]
		default:
			l.fail(start, "a ) is missing")
			return ""
		}
	}
}

// inTags is a tag within a string, and a percent sign.
var inTags = regexp.MustCompile(`(?s)%(?:\[[^\]]*\]?|.)`)

// tags replaces the tags that are known before any mail is: %h, %u and
// their long forms, and %%. ok is false if others remain, which are removed.
func tags(o rcfile.Options, s string) (out string, ok bool) {
	ok = true
	out = inTags.ReplaceAllStringFunc(s, func(tag string) string {
		switch tag {
		case "%%":
			return "%"
		case "%h", "%[home]":
			return o.Home
		case "%u", "%[user]":
			return o.User
		}
		ok = false
		return ""
	})
	return out, ok
}

// parseSize reads a number with its unit.
func parseSize(num, unit string) (int64, bool) {
	n, err := strconv.ParseInt(num, 10, 64)
	ok := err == nil && n > 0 && n < 1<<32
	for i, names := range []string{"k kb kilobyte kilobytes", "m mb megabyte megabytes", "g gb gigabyte gigabytes"} {
		if slices.Contains(strings.Fields(names), strings.ToLower(unit)) {
			n <<= 10 * (i + 1)
		}
	}
	return n, ok
}
