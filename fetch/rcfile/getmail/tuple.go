package getmail

import (
	"regexp"
	"strings"
)

// tuple is a Python tuple of strings and numbers. Parentheses around one value
// make none: it is a tuple only with a comma.
type tuple struct {
	words []string
	comma bool
}

// parseTuple parses a value that Python would evaluate to a tuple of strings.
func parseTuple(s string) ([]string, bool) {
	p := &tupleParser{rest: s}
	t, ok := p.list(0)
	return t.words, ok && p.rest == "" && (t.comma || strings.TrimSpace(s) == "")
}

type tupleParser struct{ rest string }

func (p *tupleParser) next(prefix string) bool {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n\\")
	if !strings.HasPrefix(p.rest, prefix) {
		return false
	}
	p.rest = p.rest[len(prefix):]
	return true
}

// list reads values with commas between them. One that is a tuple must be the
// only one.
func (p *tupleParser) list(depth int) (tuple, bool) {
	var t tuple
	for n := 0; ; n++ {
		if p.next(""); p.rest == "" || p.rest[0] == ')' {
			return t, true
		}
		v, ok := p.value(depth)
		more := p.next(",")
		switch {
		case !ok || v.comma && (n > 0 || more):
			return t, false
		case !more && n == 0:
			return v, true
		}
		t = tuple{append(t.words, v.words...), true}
		if !more {
			return t, true
		}
	}
}

var (
	pyText   = regexp.MustCompile(`^[rRuUbB]{0,2}(?s:"""(?:[^\\]|\\.)*?"""|'''(?:[^\\]|\\.)*?''')|^[rRuUbB]{0,2}(?:"(?:[^"\\\n]|\\(?s:.))*"|'(?:[^'\\\n]|\\(?s:.))*')`)
	pyNumber = regexp.MustCompile(`^[0-9-]+`)
	pyEscape = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`, `\'`, `'`, `\"`, `"`, "\\\n", "")
)

// value reads a number, strings behind one another, or a list in parentheses.
func (p *tupleParser) value(depth int) (tuple, bool) {
	if p.next("(") {
		t, ok := tuple{}, false
		if depth < 20 {
			t, ok = p.list(depth + 1)
			t.comma = t.comma || len(t.words) == 0
		}
		return t, p.next(")") && ok
	}
	if n := pyNumber.FindString(p.rest); n != "" {
		p.next(n)
		return tuple{words: []string{n}}, true
	}
	text, found := "", false
	for s := pyText.FindString(p.rest); s != ""; s = pyText.FindString(p.rest) {
		text, found = text+pyString(s), true
		p.next(s)
		p.next("")
	}
	return tuple{words: []string{text}}, found
}

// pyString is what a string literal stands for.
func pyString(s string) string {
	text := strings.TrimLeft(s, "rRuUbB")
	raw := strings.ContainsAny(s[:len(s)-len(text)], "rR")
	quote := 1
	if strings.HasPrefix(text, strings.Repeat(text[:1], 3)) && len(text) > 5 {
		quote = 3
	}
	if text = text[quote : len(text)-quote]; raw {
		return text
	}
	return pyEscape.Replace(text)
}
