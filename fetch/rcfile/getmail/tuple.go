package getmail

import (
	"regexp"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// tuple is a Python tuple of strings and numbers. Parentheses around one value
// make none: it is a tuple only with a comma.
type tuple struct {
	words []string
	comma bool
}

var (
	pySpace    = regexp.MustCompile(`^[ \t\r\n\\]*`)
	pyPatterns = []rcfile.Pattern{
		{Kind: rcfile.Text, Regexp: regexp.MustCompile(`^[rRuUbB]{0,2}(?s:"""(?:[^\\]|\\.)*?"""|'''(?:[^\\]|\\.)*?''')`)},
		{Kind: rcfile.Text, Regexp: regexp.MustCompile(`^[rRuUbB]{0,2}(?:"(?:[^"\\\n]|\\(?s:.))*"|'(?:[^'\\\n]|\\(?s:.))*')`)},
		{Kind: rcfile.Number, Regexp: regexp.MustCompile(`^[0-9-]+`)},
	}
	pyEscape = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`, `\'`, `'`, `\"`, `"`, "\\\n", "")
)

// parseTuple parses a value that Python would evaluate to a tuple of strings.
func parseTuple(s string) ([]string, bool) {
	p := &tupleParser{Lexer: rcfile.Lexer{Rest: s, Space: pySpace, Patterns: pyPatterns}}
	p.tok = p.Next()
	t, ok := p.list(0)
	return t.words, ok && p.tok.Kind == rcfile.End && (t.comma || strings.TrimSpace(s) == "")
}

type tupleParser struct {
	rcfile.Lexer
	tok rcfile.Token
}

// symbol takes a symbol, if it comes next.
func (p *tupleParser) symbol(s string) bool {
	is := p.tok.Symbol(s)
	if is {
		p.tok = p.Next()
	}
	return is
}

// list reads values with commas between them. One that is a tuple must be the
// only one.
func (p *tupleParser) list(depth int) (tuple, bool) {
	var t tuple
	for n := 0; p.tok.Kind != rcfile.End && !p.tok.Symbol(")"); n++ {
		v, ok := p.value(depth)
		more := p.symbol(",")
		switch {
		case !ok || v.comma && (n > 0 || more):
			return t, false
		case !more && n == 0:
			return v, true
		}
		if t = (tuple{append(t.words, v.words...), true}); !more {
			break
		}
	}
	return t, true
}

// value reads a number, strings behind one another, or a list in parentheses.
func (p *tupleParser) value(depth int) (tuple, bool) {
	if p.symbol("(") {
		if depth >= 20 {
			return tuple{}, false
		}
		t, ok := p.list(depth + 1)
		t.comma = t.comma || len(t.words) == 0
		return t, p.symbol(")") && ok
	}
	text, found := "", false
	for ; p.tok.Kind == rcfile.Text; p.tok = p.Next() {
		text, found = text+pyString(p.tok.Raw), true
	}
	if !found && p.tok.Kind == rcfile.Number {
		text, found = p.tok.Raw, true
		p.tok = p.Next()
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
