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
	// maps are the names behind user, is and to, REMOTE=LOCAL as two; here and
	// there say which word followed.
	maps        [][2]string
	here, there bool
	backslash   bool // there were escapes: their meaning changed in 6.6.7
}

// positive is the keyword without no.
func (o *setting) positive() string { return strings.TrimPrefix(o.Name, "no") }

func (o *setting) negated() bool { return o.positive() != o.Name }

// num is the value as a number.
func (o *setting) num() int64 {
	n, _ := rcfile.Int(o.Value)
	return n
}

// entry is one poll, skip or defaults; users are the options of each.
type entry struct {
	kind, name string
	line       int
	opts       []setting
	users      [][]setting
}

// parser parses a fetchmailrc. After a mistake every token is the end of the
// file.
type parser struct {
	lexer
	tok rcfile.Token
	err error
}

// parse parses a fetchmailrc into what stands behind set, and entries.
func parse(file, text string, words rcfile.Rows) (globals []setting, entries []*entry, err error) {
	p := &parser{lexer: lexer{Lexer: rcfile.Lexer{File: file, Rest: text, Line: 1, Space: space, Patterns: patterns}, words: words}}
	for p.advance(); p.tok.Kind != rcfile.End; {
		switch {
		case p.tok.Is("set"):
			globals = append(globals, p.global())
		case p.tok.Is("poll", "skip", "defaults"):
			entries = append(entries, p.entry())
		default:
			p.unexpected("wants set, poll, skip or defaults")
		}
	}
	return globals, entries, p.err
}

func (p *parser) advance() {
	if p.tok = p.next(); p.err != nil {
		p.tok = rcfile.Token{}
	}
}

// row is the table's row of an option, with or without no.
func (p *parser) row(name string) rcfile.Row { return p.words[strings.TrimPrefix(name, "no")] }

func (p *parser) fail(line int, format string, args ...any) {
	if p.err == nil {
		p.err = rcfile.Syntax(p.File, line, format, args...)
	}
	p.tok = rcfile.Token{}
}

func (p *parser) unexpected(why string) {
	what := map[rcfile.Kind]string{
		rcfile.End: "end of file", rcfile.Word: strconv.Quote(p.tok.Text), rcfile.Text: "a string", // it may be a password
		rcfile.Number: "a number", rcfile.Symbol: "=",
	}[p.tok.Kind]
	p.fail(p.tok.Line, "unexpected %s: %s", what, why)
}

// start begins the option of the token's keyword; no may stand before it.
func (p *parser) start(why string) setting {
	o := setting{Option: rcfile.Option{File: p.File, Line: p.tok.Line}}
	if p.tok.Is("no") {
		o.Name = "no"
		p.advance()
	}
	if p.tok.Kind != rcfile.Word {
		p.unexpected(why)
		return o
	}
	if o.Name += p.tok.Text; o.negated() {
		o.say("no")
	}
	o.say(o.positive())
	p.advance()
	return o
}

// global parses set WORD [=] [VALUE].
func (p *parser) global() setting {
	p.advance()
	o := p.start("wants an option behind set")
	if row := p.row(o.Name); row.Is("global") && row.Is("one") && !o.negated() {
		if p.tok.Symbol("=") {
			p.advance()
		}
		p.argument(&o)
	}
	o.Text = "set " + o.Text
	return o
}

// value reports whether the token can be the value of an option.
func (p *parser) value() bool { return p.tok.Kind == rcfile.Text || p.tok.Kind == rcfile.Number }

// argument takes one string or number and returns it.
func (p *parser) argument(o *setting) string {
	if !p.value() {
		p.unexpected(o.Name + " wants a value (a keyword as a value must be quoted)")
		return ""
	}
	arg := p.tok.Text
	if n, ok := rcfile.Int(arg); ok && p.tok.Kind == rcfile.Number {
		arg = strconv.FormatInt(n, 10)
	}
	o.backslash = o.backslash || p.tok.Kind == rcfile.Text && strings.Contains(p.tok.Raw, `\`)
	o.args = append(o.args, arg)
	if o.Value = o.args[0]; o.Name == "password" || o.Name == "esmtppassword" {
		o.say("***")
	} else {
		o.say(p.tok.Raw)
	}
	p.advance()
	return arg
}

// entry parses poll NAME, skip NAME or defaults, with options and users.
func (p *parser) entry() *entry {
	e := &entry{kind: p.tok.Text, line: p.tok.Line}
	p.advance()
	if e.kind != "defaults" {
		e.name = p.argument(&setting{Option: rcfile.Option{Name: e.kind}})
	}
	implicit := false
	for p.tok.Kind == rcfile.Word && !p.tok.Is("set", "poll", "skip", "defaults") {
		o := p.option()
		named, row := o.Name == "user", p.row(o.Name)
		switch {
		case named && implicit:
			p.fail(o.Line, "user must stand before the options of that user")
		case named && !o.here && (len(o.maps) != 1 || o.maps[0][1] != ""):
			p.fail(o.Line, "user wants one name, or names followed by here")
		case row.Is("server") && len(e.users) > 0:
			p.fail(o.Line, "%s is a server option: it must stand before the first user option", o.Name)
		case row.Is("server"):
			e.opts = append(e.opts, o)
		default:
			if implicit = implicit || !named && len(e.users) == 0; named || len(e.users) == 0 {
				e.users = append(e.users, nil)
			}
			last := &e.users[len(e.users)-1]
			*last = append(*last, o)
		}
	}
	if p.tok.Kind != rcfile.End && p.tok.Kind != rcfile.Word {
		p.unexpected("wants an option")
	}
	return e
}

// mappings parses the names behind user, is and to.
func (p *parser) mappings(o *setting) {
	for p.value() {
		m := [2]string{p.argument(o)}
		if p.tok.Symbol("=") {
			p.advance()
			m[1] = p.argument(o)
		}
		o.maps = append(o.maps, m)
	}
	if len(o.maps) == 0 {
		p.unexpected(o.Name + " wants a name")
	}
	if o.here, o.there = p.tok.Is("here"), p.tok.Is("there"); o.here || o.there {
		o.say(p.tok.Text)
		p.advance()
	}
}

// option parses one server or user option.
func (p *parser) option() setting {
	o := p.start("no wants an option")
	switch row := p.row(o.Name); {
	case row.Is("global") && o.Name != "properties":
		p.fail(o.Line, "%s is a global option: it must stand behind set", o.positive())
	case o.Name == "user" || o.Name == "is" || o.Name == "to":
		p.mappings(&o)
	case o.negated():
	case row.Is("one"):
		if p.tok.Kind == rcfile.Word && (o.Name == "auth" || o.Name == "bad-header") {
			p.tok.Kind = rcfile.Text // password, accept and reject are values here
		}
		p.argument(&o)
	case o.Name == "envelope":
		if p.tok.Kind == rcfile.Number {
			p.argument(&o)
		}
		p.argument(&o)
	case row.Is("many"):
		for p.argument(&o); p.value(); {
			p.argument(&o)
		}
	}
	return o
}

// say adds what was written to the option's text.
func (o *setting) say(word string) { o.Text = strings.TrimSpace(o.Text + " " + word) }
