package fetchmail

import (
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// setting is one option of a fetchmailrc with its arguments. Its name is the
// keyword, with "no" in front if it is negated.
type setting struct {
	rcfile.Option
	args []string // as strings, escapes replaced; Value is the first
	num  int64    // the last as a number
	// maps are the names behind user, is and to, REMOTE=LOCAL as two; here and
	// there say which word followed.
	maps        [][2]string
	here, there bool
	backslash   bool
}

// positive is the keyword without no.
func (o *setting) positive() string { return strings.TrimPrefix(o.Name, "no") }

func (o *setting) negated() bool { return o.positive() != o.Name }

// userEntry is one user of an entry, entry one poll, skip or defaults.
type userEntry struct {
	line int
	opts []setting
}

type entry struct {
	kind, name string
	line       int
	opts       []setting
	users      []userEntry
}

type rcFile struct {
	globals []setting
	entries []*entry
}

// parser parses a fetchmailrc. After a mistake every token is the end of the
// file.
type parser struct {
	lexer
	tok token
	err error
}

// parse parses a fetchmailrc.
func parse(file, text string, words map[string]*keyword) (*rcFile, error) {
	p := &parser{lexer: lexer{Scanner: rcfile.Scanner{File: file, Rest: text, Line: 1}, words: words}}
	p.advance()
	out := &rcFile{}
	for p.tok.kind != tokEOF {
		switch {
		case p.tok.is("set"):
			out.globals = append(out.globals, p.global())
		case p.tok.is("poll", "skip", "defaults"):
			out.entries = append(out.entries, p.entry())
		case p.tok.kind == tokWord && p.has(p.tok.text, server):
			p.unexpected("a server option must stand before the first user option")
		default:
			p.unexpected("wants set, poll, skip or defaults")
		}
	}
	return out, p.err
}

func (p *parser) advance() {
	if p.tok = p.next(); p.err != nil {
		p.tok = token{}
	}
}

// has reports whether the keyword of an option is of a kind.
func (p *parser) has(name string, k kind) bool {
	w := p.words[strings.TrimPrefix(name, "no")]
	return w != nil && w.kind&k != 0
}

func (p *parser) fail(line int, format string, args ...any) {
	if p.err == nil {
		p.err = rcfile.Syntax(p.File, line, format, args...)
	}
	p.tok = token{}
}

func (p *parser) unexpected(why string) {
	what := map[tokenKind]string{
		tokEOF: "end of file", tokWord: strconv.Quote(p.tok.text), tokString: "a string", // it may be a password
		tokNumber: "a number", tokMap: "=",
	}[p.tok.kind]
	p.fail(p.tok.line, "unexpected %s: %s", what, why)
}

// start begins the option of the token's keyword; no may stand before it.
func (p *parser) start(why string) setting {
	o := setting{Option: rcfile.Option{File: p.File, Line: p.tok.line}}
	if p.tok.is("no") {
		o.Name = "no"
		p.advance()
	}
	if p.tok.kind != tokWord {
		p.unexpected(why)
		return o
	}
	o.Name += p.tok.text
	p.advance()
	return o
}

// global parses set WORD [=] [VALUE].
func (p *parser) global() setting {
	p.advance()
	o := p.start("wants an option behind set")
	if p.has(o.Name, global) && p.has(o.Name, one) && !o.negated() {
		if p.tok.kind == tokMap {
			p.advance()
		}
		p.argument(&o)
	}
	o.Text = "set " + o.shown()
	return o
}

// argument takes one string or number.
func (p *parser) argument(o *setting) {
	if !p.tok.value() {
		p.unexpected(o.Name + " wants a value (a keyword as a value must be quoted)")
		return
	}
	if n, ok := rcfile.Int(p.tok.text); ok {
		o.num = n
		if p.tok.kind == tokNumber {
			p.tok.text = strconv.FormatInt(n, 10)
		}
	}
	o.backslash = o.backslash || p.tok.backslash
	o.args = append(o.args, p.tok.text)
	o.Value = o.args[0]
	p.advance()
}

// entry parses poll NAME, skip NAME or defaults, with options and users.
func (p *parser) entry() *entry {
	e := &entry{kind: p.tok.text, line: p.tok.line}
	p.advance()
	if e.kind != "defaults" {
		var o setting
		if !p.tok.value() {
			p.unexpected(e.kind + " wants a server's name")
		} else if p.argument(&o); p.err == nil {
			e.name = o.Value
		}
	}
	implicit := false
	for p.tok.kind == tokWord && !p.tok.is("set", "poll", "skip", "defaults") {
		if p.tok.is("user") {
			if implicit {
				p.unexpected("user must stand before the options of that user")
			}
			p.user(e)
			continue
		}
		o := p.option()
		switch {
		case !p.has(o.Name, server):
			if len(e.users) == 0 {
				e.users, implicit = []userEntry{{line: o.Line}}, true
			}
			u := &e.users[len(e.users)-1]
			u.opts = append(u.opts, o)
		case len(e.users) > 0:
			p.fail(o.Line, "%s is a server option: it must stand before the first user option", o.Name)
		default:
			e.opts = append(e.opts, o)
		}
	}
	if p.tok.kind != tokEOF && p.tok.kind != tokWord {
		p.unexpected("wants an option")
	}
	return e
}

// user parses user NAME [there], or user LOCAL... here.
func (p *parser) user(e *entry) {
	o := p.option()
	if !o.here && (len(o.maps) != 1 || o.maps[0][1] != "") {
		p.fail(o.Line, "user wants one name, or names followed by here")
		return
	}
	e.users = append(e.users, userEntry{line: o.Line, opts: []setting{o}})
}

// mappings parses the names behind user, is and to.
func (p *parser) mappings(o *setting) {
	for p.tok.value() {
		p.argument(o)
		m := [2]string{o.args[len(o.args)-1]}
		if p.tok.kind == tokMap {
			p.advance()
			p.argument(o)
			m[1] = o.args[len(o.args)-1]
		}
		o.maps = append(o.maps, m)
	}
	if len(o.maps) == 0 {
		p.unexpected(o.Name + " wants a name")
	}
	if o.here, o.there = p.tok.is("here"), p.tok.is("there"); o.here || o.there {
		p.advance()
	}
}

// option parses one server or user option.
func (p *parser) option() setting {
	o := p.start("no wants an option")
	switch {
	case p.has(o.Name, global) && o.Name != "properties":
		p.fail(o.Line, "%s is a global option: it must stand behind set", o.positive())
	case o.Name == "user" || o.Name == "is" || o.Name == "to":
		p.mappings(&o)
	case o.negated():
	case p.has(o.Name, one):
		if p.tok.kind == tokWord && (o.Name == "auth" || o.Name == "bad-header") {
			p.tok.kind = tokString // password, accept and reject are values here
		}
		p.argument(&o)
	case o.Name == "envelope":
		if p.tok.kind == tokNumber {
			p.argument(&o)
		}
		p.argument(&o)
	case p.has(o.Name, many):
		for p.argument(&o); p.tok.value(); {
			p.argument(&o)
		}
	}
	o.Text = o.shown()
	return o
}

// shown is the option as a person would write it, secrets as ***.
func (o *setting) shown() string {
	words := []string{o.Name}
	if o.negated() {
		words = []string{"no", o.positive()}
	}
	for _, a := range o.args {
		switch {
		case o.Name == "password" || o.Name == "esmtppassword":
			a = "***"
		case a == "" || strings.ContainsAny(a, "=;:, \t\r\n\"'\\"):
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	if o.here {
		words = append(words, "here")
	}
	if o.there {
		words = append(words, "there")
	}
	return strings.Join(words, " ")
}
