package fdm

import (
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// maxDepth bounds includes within includes, maxTokens the tokens of all files.
const (
	maxDepth  = 10
	maxTokens = 1 << 20
)

// statement is a run of tokens that starts with a keyword; a block keeps
// its braces.
type statement struct {
	rcfile.Option
	tokens []token
}

// parser turns files into statements: includes are followed, macros
// replaced, ifdef decided.
type parser struct {
	r      *rcfile.Result
	main   string
	macros map[string]string
	tokens []token
	skip   []bool // one for each open ifdef: whether it hides
}

// parse reads an fdm.conf and what it includes.
func parse(r *rcfile.Result, file string) ([]statement, error) {
	p := &parser{r: r, main: file, macros: map[string]string{}}
	if err := p.file(file, 0); err != nil {
		return nil, err
	}
	if len(p.skip) > 0 {
		return nil, rcfile.Syntax(file, 1, "an endif is missing")
	}
	var out []statement
	for t := p.tokens; len(t) > 0; {
		n := length(t)
		out = append(out, statement{t[0].option(shown(t[:n])), t[:n]})
		t = t[n:]
	}
	return out, nil
}

func (p *parser) file(name string, depth int) error {
	if depth > maxDepth {
		return rcfile.Syntax(name, 1, "includes go too deep")
	}
	text, err := p.r.ReadConfig(name)
	if err != nil {
		return err
	}
	l := &lexer{Scanner: rcfile.Scanner{File: name, Rest: text, Line: 1}, macros: p.macros}
	for t := l.next(); t.kind != tokEOF; t = l.next() {
		switch {
		case len(p.tokens) > maxTokens:
			l.fail(t.line, "too many tokens")
		case t.is("ifdef", "ifndef", "endif"):
			p.conditional(l, t)
		case slices.Contains(p.skip, true):
		case t.is("include"):
			if err := p.include(l, depth); err != nil {
				return err
			}
		case t.kind == tokMacro:
			p.macro(l, t)
		default:
			p.tokens = append(p.tokens, t)
		}
	}
	return l.err
}

func (p *parser) conditional(l *lexer, t token) {
	if t.text == "endif" {
		if len(p.skip) == 0 {
			l.fail(t.line, "endif without ifdef")
			return
		}
		p.skip = p.skip[:len(p.skip)-1]
		return
	}
	m := l.next()
	if m.kind != tokMacro {
		l.fail(t.line, "%s wants a macro", t.text)
	}
	_, defined := p.macros[m.text]
	p.skip = append(p.skip, defined == (t.text == "ifndef"))
}

func (p *parser) include(l *lexer, depth int) error {
	t := l.next()
	name := t.text
	if t.kind == tokMacro {
		name = p.macros[t.text]
	} else if t.kind != tokString {
		l.fail(l.Line, "include wants a file in quotes")
		return l.err
	}
	name, _ = tags(p.r.Options, name)
	return p.file(rcfile.Absolute(name, p.main), depth+1)
}

// macro defines $name = value, or puts the value of $name.
func (p *parser) macro(l *lexer, t token) {
	saved := *l
	if eq := l.next(); eq.symbol("=") {
		switch v := l.next(); v.kind {
		case tokString, tokNumber:
			p.macros[t.text] = v.text
		case tokMacro:
			p.macros[t.text] = p.macros[v.text]
		case tokCommand:
			p.macros[t.text] = ""
			p.r.Note(rcfile.Dropped, t.option(t.text+" = $("+v.text+")"), "was not run: write its output here")
		default:
			l.fail(t.line, "a macro wants a string or a number")
		}
		return
	}
	*l = saved
	v, ok := p.macros[t.text]
	if !ok {
		l.fail(t.line, "undefined macro %s", t.text)
	}
	if t.kind = tokString; t.text[0] == '%' {
		t.kind = tokNumber
	}
	t.text = v
	p.tokens = append(p.tokens, t)
}

// length is the number of tokens of the statement that starts tokens. Words
// that start one also stand within match (account, action) and action
// (action), so those go by form.
func length(tokens []token) int {
	depth, acted := 0, tokens[0].text != "match"
	for i := 1; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.symbol("{"):
			depth++
		case t.symbol("}"):
			depth = max(depth-1, 0)
		case depth > 0:
		case t.is("set", "match"), t.is("account") && acted,
			t.is("cache") && tokens[i-1].kind != tokWord && tokens[0].text != "account":
			return i
		case t.is("action", "actions"):
			// The first one belongs to a match; behind NAME it is an action
			// that calls another.
			if acted && !(tokens[0].text == "action" && i == 2) {
				return i
			}
			acted = true
		}
	}
	return len(tokens)
}

// shown is a statement as written, with passwords as ***.
func shown(tokens []token) string {
	var words []string
	for i, t := range tokens {
		s := t.text
		switch {
		case i > 0 && tokens[i-1].is("pass"):
			s = "***"
		case t.kind == tokString:
			s = `"` + s + `"`
		case t.kind == tokCommand:
			s = "$(" + s + ")"
		}
		if words = append(words, s); len(words) > 30 {
			return strings.Join(words, " ") + " ..."
		}
	}
	return strings.Join(words, " ")
}
