package fdm

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// fdmDepth bounds includes within includes, fdmTokens the tokens of all files.
const (
	fdmDepth  = 10
	fdmTokens = 1 << 20
)

// fdmStatement is a run of tokens that starts with a keyword; a block keeps
// its braces.
type fdmStatement struct {
	rcfile.Option
	word   string
	tokens []fdmToken
}

// fdmParser turns files into statements: includes are followed, macros
// replaced, ifdef decided.
type fdmParser struct {
	r      *rcfile.Result
	main   string
	macros map[string]string
	tokens []fdmToken
	skip   []bool // one for each open ifdef: whether it hides
}

// parseFdm reads an fdm.conf and what it includes.
func parseFdm(r *rcfile.Result, file string) ([]fdmStatement, error) {
	p := &fdmParser{r: r, main: file, macros: map[string]string{}}
	if err := p.file(file, 0); err != nil {
		return nil, err
	}
	if len(p.skip) > 0 {
		return nil, rcfile.Syntax(file, 1, "an endif is missing")
	}
	return fdmSplit(p.tokens), nil
}

func (p *fdmParser) file(name string, depth int) error {
	if depth > fdmDepth {
		return rcfile.Syntax(name, 1, "includes go too deep")
	}
	text, err := p.r.ReadConfig(name)
	if err != nil {
		return err
	}
	l := &fdmLexer{file: name, rest: text, line: 1, macro: func(n string) string { return p.macros[n] }}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return err
		case t.kind == fdmEOF:
			return nil
		case len(p.tokens) > fdmTokens:
			return rcfile.Syntax(name, t.line, "too many tokens")
		case t.kind == fdmWord && (t.text == "ifdef" || t.text == "ifndef" || t.text == "endif"):
			err = p.conditional(l, t)
		case slices.Contains(p.skip, true):
		case t.kind == fdmWord && t.text == "include":
			err = p.include(l, depth)
		case t.kind == fdmMacro:
			err = p.macro(l, t)
		default:
			p.tokens = append(p.tokens, t)
		}
		if err != nil {
			return err
		}
	}
}

func (p *fdmParser) conditional(l *fdmLexer, t fdmToken) error {
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
	if m.kind != fdmMacro {
		return rcfile.Syntax(t.file, t.line, "%s wants a macro", t.text)
	}
	_, defined := p.macros[m.text]
	p.skip = append(p.skip, defined == (t.text == "ifndef"))
	return nil
}

func (p *fdmParser) include(l *fdmLexer, depth int) error {
	t, err := l.next()
	if err != nil {
		return err
	}
	name := t.text
	if t.kind == fdmMacro {
		name = p.macros[t.text]
	} else if t.kind != fdmString {
		return rcfile.Syntax(t.file, t.line, "include wants a file in quotes")
	}
	name, _ = fdmTags(p.r.Options, name)
	if !filepath.IsAbs(name) {
		name = rcfile.Absolute(name, p.main)
	}
	return p.file(name, depth+1)
}

// macro defines $name = value, or puts the value of $name.
func (p *fdmParser) macro(l *fdmLexer, t fdmToken) error {
	saved := *l
	eq, err := l.next()
	if err == nil && eq.kind == fdmSymbol && eq.text == "=" {
		v, err := l.next()
		if err != nil {
			return err
		}
		switch v.kind {
		case fdmString, fdmNumber:
			p.macros[t.text] = v.text
		case fdmMacro:
			p.macros[t.text] = p.macros[v.text]
		case fdmCommand:
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
	kind := fdmString
	if t.text[0] == '%' {
		kind = fdmNumber
	}
	p.tokens = append(p.tokens, fdmToken{kind, v, t.file, t.line})
	return nil
}

// fdmSplit cuts tokens into statements. Words that start one also stand
// within match (account, action) and action (action), so those go by form.
func fdmSplit(tokens []fdmToken) []fdmStatement {
	var out []fdmStatement
	for i := 0; i < len(tokens); {
		n := fdmLength(tokens[i:])
		s := tokens[i : i+n]
		out = append(out, fdmStatement{rcfile.Option{File: s[0].file, Line: s[0].line, Text: fdmShown(s)}, s[0].text, s})
		i += n
	}
	return out
}

// fdmLength is the number of tokens of the statement that starts tokens.
func fdmLength(tokens []fdmToken) int {
	depth, acted := 0, tokens[0].text != "match"
	for i := 1; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.kind == fdmSymbol && t.text == "{":
			depth++
		case t.kind == fdmSymbol && t.text == "}":
			depth = max(depth-1, 0)
		case depth > 0 || t.kind != fdmWord:
		case t.text == "set" || t.text == "match" || t.text == "cache" && tokens[i-1].kind != fdmWord && tokens[0].text != "account":
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

// fdmShown is a statement as written, with passwords as ***.
func fdmShown(tokens []fdmToken) string {
	var words []string
	for i, t := range tokens {
		s := t.text
		switch {
		case i > 0 && tokens[i-1].kind == fdmWord && tokens[i-1].text == "pass":
			s = "***"
		case t.kind == fdmString:
			s = `"` + s + `"`
		case t.kind == fdmCommand:
			s = "$(" + s + ")"
		}
		if words = append(words, s); len(words) > 30 {
			return strings.Join(words, " ") + " ..."
		}
	}
	return strings.Join(words, " ")
}
