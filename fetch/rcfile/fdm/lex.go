package fdm

import (
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

// lexer splits one file into tokens. Macros within strings are replaced by
// macro, which knows those defined so far.
type lexer struct {
	file, rest string
	line       int
	macro      func(name string) string
}

func (l *lexer) next() (token, error) {
	l.space()
	t := token{file: l.file, line: l.line}
	if l.rest == "" {
		return t, nil
	}
	var err error
	switch c := l.rest[0]; {
	case c == '"' || c == '\'':
		l.rest = l.rest[1:]
		t.kind = tokString
		t.text, err = l.str(c)
	case (c == '$' || c == '%') && len(l.rest) > 1 && l.rest[1] == '(':
		l.rest = l.rest[2:]
		t.kind = tokCommand
		t.text, err = l.command()
	case c == '$' || c == '%':
		l.rest = l.rest[1:]
		t.kind = tokMacro
		t.text, err = l.name(c)
	case nameByte(c):
		n := 0
		for n < len(l.rest) && nameByte(l.rest[n]) {
			n++
		}
		if c >= '0' && c <= '9' {
			n = len(l.rest) - len(strings.TrimLeft(l.rest, "0123456789"))
			t.kind = tokNumber
		} else {
			t.kind = tokWord
		}
		t.text, l.rest = l.rest[:n], l.rest[n:]
	default:
		t.kind, t.text, l.rest = tokSymbol, string(c), l.rest[1:]
	}
	return t, err
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// space passes blanks and comments.
func (l *lexer) space() {
	for l.rest != "" {
		switch l.rest[0] {
		case '\n':
			l.line++
			l.rest = l.rest[1:]
		case ' ', '\t', '\r':
			l.rest = l.rest[1:]
		case '#':
			end := strings.IndexByte(l.rest, '\n')
			if end < 0 {
				end = len(l.rest)
			}
			l.rest = l.rest[end:]
		default:
			return
		}
	}
}

// str reads to the closing quote. In double quotes a backslash takes the next
// byte as it is, save \r \n \t, and ${name} and %{name} are replaced.
func (l *lexer) str(end byte) (string, error) {
	var b strings.Builder
	start := l.line
	for l.rest != "" {
		c := l.rest[0]
		l.rest = l.rest[1:]
		if c == '\n' {
			l.line++
		}
		switch {
		case c == end:
			return b.String(), nil
		case end == '"' && c == '\\' && l.rest != "":
			c, l.rest = l.rest[0], l.rest[1:]
			if i := strings.IndexByte("rnt", c); i >= 0 {
				c = "\r\n\t"[i]
			}
			b.WriteByte(c)
		case end == '"' && (c == '$' || c == '%') && strings.HasPrefix(l.rest, "{"):
			name, err := l.name(c)
			if err != nil {
				return "", err
			}
			if b.WriteString(l.macro(name)); b.Len() > rcfile.MaxConfig {
				return "", rcfile.Syntax(l.file, start, "the string is too long")
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", rcfile.Syntax(l.file, start, "a %c is missing", end)
}

// name reads the name of a macro, with or without braces.
func (l *lexer) name(kind byte) (string, error) {
	braces := strings.HasPrefix(l.rest, "{")
	s := strings.TrimPrefix(l.rest, "{")
	n := 0
	for n < len(s) && nameByte(s[n]) {
		n++
	}
	if n == 0 || n > 100 || braces && !strings.HasPrefix(s[n:], "}") {
		return "", rcfile.Syntax(l.file, l.line, "%c wants the name of a macro", kind)
	}
	l.rest = s[n:]
	if braces {
		l.rest = l.rest[1:]
	}
	return string(kind) + s[:n], nil
}

// command reads to the closing parenthesis, past nested ones and quotes.
func (l *lexer) command() (string, error) {
	depth, quote, start := 0, byte(0), l.line
	for i := 0; i < len(l.rest); i++ {
		c := l.rest[i]
		if c == '\n' {
			l.line++
		}
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ')':
			text := l.rest[:i]
			l.rest = l.rest[i+1:]
			return text, nil
		}
	}
	return "", rcfile.Syntax(l.file, start, "a ) is missing")
}

// tags replaces the tags that are known before any mail is: %h, %u and
// their long forms, and %%. ok is false if others remain, which are removed.
func tags(o rcfile.Options, s string) (out string, ok bool) {
	var b strings.Builder
	ok = true
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		tag := s[i : i+1]
		if tag == "[" {
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return b.String(), false
			}
			tag = s[i+1 : i+end]
			i += end
		}
		switch tag {
		case "%":
			b.WriteByte('%')
		case "h", "home":
			b.WriteString(o.Home)
		case "u", "user":
			b.WriteString(o.User)
		default:
			ok = false
		}
	}
	return b.String(), ok
}

// parseSize reads a number with its unit.
func parseSize(num, unit string) (int64, bool) {
	n, err := strconv.ParseInt(num, 10, 64)
	factor := int64(1)
	switch strings.ToLower(unit) {
	case "k", "kb", "kilobytes", "kilobyte":
		factor = 1 << 10
	case "m", "mb", "megabytes", "megabyte":
		factor = 1 << 20
	case "g", "gb", "gigabytes", "gigabyte":
		factor = 1 << 30
	}
	return n * factor, err == nil && n > 0 && n < 1<<32
}
