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
	tokens []rcfile.Token
}

// value is the token at a place, if there is one.
func (s statement) value(i int) (t rcfile.Token) {
	if i < len(s.tokens) {
		t = s.tokens[i]
	}
	return t
}

// parser turns files into statements: includes are followed, macros
// replaced, ifdef decided.
type parser struct {
	r      *rcfile.Result
	main   string
	macros map[string]string
	tokens []rcfile.Token
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
		out = append(out, statement{t[0].Option(shown(t[:n])), t[:n]})
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
	l := &lexer{Lexer: rcfile.Lexer{File: name, Rest: text, Line: 1, Space: space, Patterns: patterns}, macros: p.macros}
	for t := l.next(); t.Kind != rcfile.End; t = l.next() {
		switch {
		case len(p.tokens) > maxTokens:
			l.fail(t.Line, "too many tokens")
		case t.Is("ifdef", "ifndef", "endif"):
			p.conditional(l, t)
		case slices.Contains(p.skip, true):
		case t.Is("include"):
			if err := p.include(l, depth); err != nil {
				return err
			}
		case t.Kind == rcfile.Macro:
			p.macro(l, t)
		default:
			p.tokens = append(p.tokens, t)
		}
	}
	return l.err
}

func (p *parser) conditional(l *lexer, t rcfile.Token) {
	if t.Text == "endif" {
		if len(p.skip) == 0 {
			l.fail(t.Line, "endif without ifdef")
			return
		}
		p.skip = p.skip[:len(p.skip)-1]
		return
	}
	m := l.next()
	if m.Kind != rcfile.Macro {
		l.fail(t.Line, "%s wants a macro", t.Text)
	}
	_, defined := p.macros[m.Text]
	p.skip = append(p.skip, defined == (t.Text == "ifndef"))
}

func (p *parser) include(l *lexer, depth int) error {
	t := l.next()
	name := t.Text
	if t.Kind == rcfile.Macro {
		name = p.macros[t.Text]
	} else if t.Kind != rcfile.Text {
		l.fail(l.Line, "include wants a file in quotes")
		return l.err
	}
	name, _ = tags(p.r.Options, name)
	return p.file(rcfile.Absolute(name, p.main), depth+1)
}

// macro defines $name = value, or puts the value of $name.
func (p *parser) macro(l *lexer, t rcfile.Token) {
	saved := *l
	if eq := l.next(); eq.Symbol("=") {
		switch v := l.next(); v.Kind {
		case rcfile.Text, rcfile.Number:
			p.macros[t.Text] = v.Text
		case rcfile.Macro:
			p.macros[t.Text] = p.macros[v.Text]
		case rcfile.Shell:
			p.macros[t.Text] = ""
			p.r.Note(rcfile.Dropped, t.Option(t.Text+" = $("+v.Text+")"), "was not run: write its output here")
		default:
			l.fail(t.Line, "a macro wants a string or a number")
		}
		return
	}
	*l = saved
	v, ok := p.macros[t.Text]
	if !ok {
		l.fail(t.Line, "undefined macro %s", t.Text)
	}
	if t.Kind = rcfile.Text; t.Text[0] == '%' {
		t.Kind = rcfile.Number
	}
	t.Text = v
	p.tokens = append(p.tokens, t)
}

// length is the number of tokens of the statement that starts tokens. Words
// that start one also stand within match (account, action) and action
// (action), so those go by form.
func length(tokens []rcfile.Token) int {
	depth, acted := 0, tokens[0].Text != "match"
	for i := 1; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.Symbol("{"):
			depth++
		case t.Symbol("}"):
			depth = max(depth-1, 0)
		case depth > 0:
		case t.Is("set", "match"), t.Is("account") && acted,
			t.Is("cache") && tokens[i-1].Kind != rcfile.Word && tokens[0].Text != "account":
			return i
		case t.Is("action", "actions"):
			// The first one belongs to a match; behind NAME it is an action
			// that calls another.
			if acted && !(tokens[0].Text == "action" && i == 2) {
				return i
			}
			acted = true
		}
	}
	return len(tokens)
}

// shown is a statement as written, with passwords as ***.
func shown(tokens []rcfile.Token) string {
	var words []string
	for i, t := range tokens {
		s := t.Text
		switch {
		case i > 0 && tokens[i-1].Is("pass"):
			s = "***"
		case t.Kind == rcfile.Text:
			s = `"` + s + `"`
		case t.Kind == rcfile.Shell:
			s = "$(" + s + ")"
		}
		if words = append(words, s); len(words) > 30 {
			return strings.Join(words, " ") + " ..."
		}
	}
	return strings.Join(words, " ")
}
