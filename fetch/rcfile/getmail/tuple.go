package getmail

import "strings"

// pyTuple reads a Python literal: strings, numbers and tuples in tuples.
type pyTuple struct {
	text  string
	items []pyTuple
	tuple bool
}

// strings returns the items' text; ok is false unless all are plain.
func (t pyTuple) strings() (out []string, ok bool) {
	for _, it := range t.items {
		if it.tuple {
			return nil, false
		}
		out = append(out, it.text)
	}
	return out, t.tuple
}

// parseTuple parses a value that Python would evaluate to a tuple.
func parseTuple(s string) (pyTuple, bool) {
	p := &pyParser{rest: strings.TrimSpace(s)}
	if p.rest == "" {
		return pyTuple{tuple: true}, true
	}
	v, ok := p.list("", 0)
	if ok && len(v.items) == 1 && !p.comma {
		v = v.items[0]
	}
	return v, ok && v.tuple && p.rest == ""
}

type pyParser struct {
	rest  string
	comma bool // the list that was read last had one
}

func (p *pyParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n\\") }

// list reads items up to end ("" for the end of text).
func (p *pyParser) list(end string, depth int) (pyTuple, bool) {
	t := pyTuple{tuple: true}
	comma := false
	for {
		p.space()
		if p.rest == "" || end != "" && strings.HasPrefix(p.rest, end) {
			ok := strings.HasPrefix(p.rest, end)
			p.rest = p.rest[min(len(end), len(p.rest)):]
			p.comma = comma
			return t, ok
		}
		if len(t.items) > 0 && !comma || depth > 20 {
			return t, false
		}
		v, ok := p.item(depth)
		if !ok {
			return t, false
		}
		t.items = append(t.items, v)
		p.space()
		here := strings.HasPrefix(p.rest, ",")
		if here {
			p.rest, comma = p.rest[1:], true
		} else if p.rest != "" && (end == "" || !strings.HasPrefix(p.rest, end)) {
			return t, false
		}
	}
}

func (p *pyParser) item(depth int) (pyTuple, bool) {
	if strings.HasPrefix(p.rest, "(") {
		p.rest = p.rest[1:]
		v, ok := p.list(")", depth+1)
		if ok && len(v.items) == 1 && !p.comma {
			return v.items[0], true // parentheses alone make no tuple
		}
		return v, ok
	}
	var b strings.Builder
	found := false
	for {
		s, ok := p.str()
		if !ok {
			break
		}
		b.WriteString(s)
		found = true
		p.space()
	}
	if found {
		return pyTuple{text: b.String()}, true
	}
	n := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789-"))
	v := pyTuple{text: p.rest[:n]}
	p.rest = p.rest[n:]
	return v, n > 0
}

// str reads one string literal.
func (p *pyParser) str() (string, bool) {
	s := p.rest
	prefix := len(s) - len(strings.TrimLeft(s, "rRuUbB"))
	raw := strings.ContainsAny(s[:prefix], "rR")
	s = s[prefix:]
	if prefix > 2 || s == "" || s[0] != '"' && s[0] != '\'' {
		return "", false
	}
	quote := s[:1]
	if strings.HasPrefix(s, strings.Repeat(quote, 3)) {
		quote = s[:3]
	}
	s = s[len(quote):]
	var b strings.Builder
	for s != "" {
		switch {
		case strings.HasPrefix(s, quote):
			p.rest = s[len(quote):]
			return b.String(), true
		case s[0] == '\\' && len(s) > 1:
			if !raw && s[1] != '\n' {
				b.WriteString(pyEscape(s[1]))
			} else if raw {
				b.WriteString(s[:2])
			}
			s = s[2:]
		case s[0] == '\n' && len(quote) == 1:
			return "", false
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return "", false
}

// pyEscape is what \c stands for; unknown escapes stay as they are.
func pyEscape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case '\\', '\'', '"':
		return string(c)
	}
	return `\` + string(rune(c))
}
