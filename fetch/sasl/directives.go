package sasl

import (
	"errors"
	"strings"
)

// directive is one name=value of DIGEST-MD5, the name in lower case and the
// value unquoted.
type directive struct{ name, value string }

var errDirectives = errors.New("malformed challenge")

// maxDirectives bounds the list; the RFC knows nine.
const maxDirectives = 64

// parseDirectives reads the list of RFC 2831 section 7.1: name=token or
// name="quoted", separated by commas, with white space and empty elements
// between them. Nothing else is let through.
func parseDirectives(s string) ([]directive, error) {
	var list []directive
	for {
		s = strings.TrimLeft(s, ", \t\r\n")
		if s == "" {
			break
		}
		d, rest, ok := cutDirective(s)
		if !ok || len(list) == maxDirectives {
			return nil, errDirectives
		}
		list = append(list, d)
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest != "" && rest[0] != ',' {
			return nil, errDirectives
		}
		s = rest
	}
	if len(list) == 0 {
		return nil, errDirectives
	}
	return list, nil
}

func cutDirective(s string) (d directive, rest string, ok bool) {
	n := tokenLen(s)
	name := s[:n]
	after, found := strings.CutPrefix(s[n:], "=")
	if n == 0 || !found {
		return d, "", false
	}
	d.name = strings.ToLower(name)
	if strings.HasPrefix(after, `"`) {
		d.value, rest, ok = cutQuoted(after[1:])
		return d, rest, ok
	}
	n = tokenLen(after)
	d.value = after[:n]
	return d, after[n:], n > 0
}

// cutQuoted reads up to the closing quote; the opening one is already read.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\':
			if i++; i == len(s) || s[i] < 0x20 || s[i] == 0x7f {
				return "", "", false
			}
			b.WriteByte(s[i])
		case c < 0x20 && c != '\t', c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// tokenLen is the length of the token (RFC 2616 section 2.2) at the start of s.
func tokenLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return i
		}
	}
	return len(s)
}

// quoted is a value as quoted-string.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// single is the value of a directive that occurs exactly once.
func single(list []directive, name string) (value string, ok bool) {
	if count(list, name) != 1 {
		return "", false
	}
	for _, d := range list {
		if d.name == name {
			value = d.value
		}
	}
	return value, true
}

func count(list []directive, name string) int {
	n := 0
	for _, d := range list {
		if d.name == name {
			n++
		}
	}
	return n
}
