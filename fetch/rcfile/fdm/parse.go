package fdm

import (
	"path/filepath"
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
	word   string
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
	return split(p.tokens), nil
}

func (p *parser) file(name string, depth int) error {
	if depth > maxDepth {
		return rcfile.Syntax(name, 1, "includes go too deep")
	}
	text, err := p.r.ReadConfig(name)
	if err != nil {
		return err
	}
	l := &lexer{file: name, rest: text, line: 1, macro: func(n string) string { return p.macros[n] }}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return err
		case t.kind == tokEOF:
			return nil
		case len(p.tokens) > maxTokens:
			return rcfile.Syntax(name, t.line, "too many tokens")
		case t.kind == tokWord && (t.text == "ifdef" || t.text == "ifndef" || t.text == "endif"):
			err = p.conditional(l, t)
		case slices.Contains(p.skip, true):
		case t.kind == tokWord && t.text == "include":
			err = p.include(l, depth)
		case t.kind == tokMacro:
			err = p.macro(l, t)
		default:
			p.tokens = append(p.tokens, t)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) conditional(l *lexer, t token) error {
	if t.text == "endif" {
		if len(p.skip) == 0 {
			return rcfile.Syntax(t.file, t.line, "endif without ifdef")
		}
		p.skip = p.skip[:len(p.skip)-1]
		return nil
	}
	m, err := l.next()
	if err != nil {
		return err
	}
	if m.kind != tokMacro {
		return rcfile.Syntax(t.file, t.line, "%s wants a macro", t.text)
	}
	_, defined := p.macros[m.text]
	p.skip = append(p.skip, defined == (t.text == "ifndef"))
	return nil
}

func (p *parser) include(l *lexer, depth int) error {
	t, err := l.next()
	if err != nil {
		return err
	}
	name := t.text
	if t.kind == tokMacro {
		name = p.macros[t.text]
	} else if t.kind != tokString {
		return rcfile.Syntax(t.file, t.line, "include wants a file in quotes")
	}
	name, _ = tags(p.r.Options, name)
	if !filepath.IsAbs(name) {
		name = rcfile.Absolute(name, p.main)
	}
	return p.file(name, depth+1)
}

// macro defines $name = value, or puts the value of $name.
func (p *parser) macro(l *lexer, t token) error {
	saved := *l
	eq, err := l.next()
	if err == nil && eq.kind == tokSymbol && eq.text == "=" {
		v, err := l.next()
		if err != nil {
			return err
		}
		switch v.kind {
		case tokString, tokNumber:
			p.macros[t.text] = v.text
		case tokMacro:
			p.macros[t.text] = p.macros[v.text]
		case tokCommand:
			p.macros[t.text] = ""
			p.r.AddNote(rcfile.Dropped, t.file, t.line, t.text+" = $("+v.text+")", "was not run: write out what it prints")
		default:
			return rcfile.Syntax(t.file, t.line, "a macro wants a string or a number")
		}
		return nil
	}
	*l = saved
	v, ok := p.macros[t.text]
	if !ok {
		return rcfile.Syntax(t.file, t.line, "undefined macro %s", t.text)
	}
	kind := tokString
	if t.text[0] == '%' {
		kind = tokNumber
	}
	p.tokens = append(p.tokens, token{kind, v, t.file, t.line})
	return nil
}

// split cuts tokens into statements. Words that start one also stand
// within match (account, action) and action (action), so those go by form.
func split(tokens []token) []statement {
	var out []statement
	for i := 0; i < len(tokens); {
		n := length(tokens[i:])
		s := tokens[i : i+n]
		out = append(out, statement{rcfile.Option{File: s[0].file, Line: s[0].line, Text: shown(s)}, s[0].text, s})
		i += n
	}
	return out
}

// length is the number of tokens of the statement that starts tokens.
func length(tokens []token) int {
	depth, acted := 0, tokens[0].text != "match"
	for i := 1; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.kind == tokSymbol && t.text == "{":
			depth++
		case t.kind == tokSymbol && t.text == "}":
			depth = max(depth-1, 0)
		case depth > 0 || t.kind != tokWord:
		case t.text == "set" || t.text == "match" || t.text == "cache" && tokens[i-1].kind != tokWord && tokens[0].text != "account":
			return i
		case t.text == "account":
			if acted {
				return i
			}
		case t.text == "action" || t.text == "actions":
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
		case i > 0 && tokens[i-1].kind == tokWord && tokens[i-1].text == "pass":
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
