package fetchmail

import (
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// setting is one option of a fetchmailrc with its arguments.
type setting struct {
	rcfile.Option
	name string   // the keyword; "no" in front if negated
	args []string // as strings, escapes replaced
	num  int64
	// maps are the names behind is and to, REMOTE=LOCAL as two; here and
	// there say which word followed.
	maps        [][2]string
	here, there bool
	backslash   bool
}

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

type parser struct {
	lex  *lexer
	tok  token
	file string
}

// parse parses a fetchmailrc.
func parse(file, text string) (*rcFile, error) {
	p := &parser{lex: &lexer{file: file, rest: text, line: 1}, file: file}
	if err := p.advance(); err != nil {
		return nil, err
	}
	out := &rcFile{}
	for p.tok.kind != tokEOF {
		if p.tok.kind != tokWord {
			return nil, p.unexpected("wants set, poll, skip or defaults")
		}
		switch p.tok.text {
		case "set":
			o, err := p.global()
			if err != nil {
				return nil, err
			}
			out.globals = append(out.globals, o)
		case "poll", "skip", "defaults":
			e, err := p.entry()
			if err != nil {
				return nil, err
			}
			out.entries = append(out.entries, e)
		default:
			if isServer(strings.TrimPrefix(p.tok.text, "no")) {
				return nil, p.unexpected("a server option must stand before the first user option")
			}
			return nil, p.unexpected("wants set, poll, skip or defaults")
		}
	}
	return out, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) unexpected(why string) error {
	what := "end of file"
	switch p.tok.kind {
	case tokWord:
		what = strconv.Quote(p.tok.text)
	case tokString:
		what = "a string" // it may be a password
	case tokNumber:
		what = "a number"
	case tokMap:
		what = "="
	}
	return rcfile.Syntax(p.file, p.tok.line, "unexpected %s: %s", what, why)
}

// global parses set WORD [=] [VALUE].
func (p *parser) global() (setting, error) {
	if err := p.advance(); err != nil {
		return setting{}, err
	}
	o := setting{Option: rcfile.Option{File: p.file, Line: p.tok.line}}
	if p.word("no") {
		o.name = "no"
		if err := p.advance(); err != nil {
			return o, err
		}
	}
	if p.tok.kind != tokWord {
		return o, p.unexpected("wants an option behind set")
	}
	o.name += p.tok.text
	if err := p.advance(); err != nil {
		return o, err
	}
	switch o.name {
	case "logfile", "idfile", "pidfile", "daemon", "postmaster", "properties":
		if p.tok.kind == tokMap {
			if err := p.advance(); err != nil {
				return o, err
			}
		}
		if err := p.argument(&o); err != nil {
			return o, err
		}
	}
	o.Text = "set " + o.shown()
	return o, nil
}

func (p *parser) word(s string) bool { return p.tok.kind == tokWord && p.tok.text == s }

// argument takes one string or number.
func (p *parser) argument(o *setting) error {
	if p.tok.kind != tokString && p.tok.kind != tokNumber {
		return p.unexpected(o.name + " wants a value (a keyword as a value must be quoted)")
	}
	o.backslash = o.backslash || p.tok.backslash
	if p.tok.kind == tokNumber {
		o.num = p.tok.num
		p.tok.text = strconv.FormatInt(p.tok.num, 10)
	} else if n, err := strconv.ParseInt(p.tok.text, 10, 64); err == nil {
		o.num = n
	}
	o.args = append(o.args, p.tok.text)
	return p.advance()
}

// entry parses poll NAME, skip NAME or defaults, with options and users.
func (p *parser) entry() (*entry, error) {
	e := &entry{kind: p.tok.text, line: p.tok.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if e.kind != "defaults" {
		if p.tok.kind != tokString && p.tok.kind != tokNumber {
			return nil, p.unexpected(e.kind + " wants a server's name")
		}
		if e.name = p.tok.text; p.tok.kind == tokNumber {
			e.name = strconv.FormatInt(p.tok.num, 10)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	implicit := false
	for p.tok.kind == tokWord {
		name := p.tok.text
		switch {
		case name == "set" || name == "poll" || name == "skip" || name == "defaults":
			return e, nil
		case name == "user":
			if implicit {
				return nil, p.unexpected("user must stand before the options of that user")
			}
			if err := p.user(e); err != nil {
				return nil, err
			}
			continue
		}
		o, err := p.option()
		switch {
		case err != nil:
			return nil, err
		case !isServer(strings.TrimPrefix(o.name, "no")):
			if len(e.users) == 0 {
				e.users, implicit = []userEntry{{line: o.Line}}, true
			}
			u := &e.users[len(e.users)-1]
			u.opts = append(u.opts, o)
		case len(e.users) > 0:
			return nil, rcfile.Syntax(p.file, o.Line, "%s is a server option: it must stand before the first user option", o.name)
		default:
			e.opts = append(e.opts, o)
		}
	}
	if p.tok.kind != tokEOF {
		return nil, p.unexpected("wants an option")
	}
	return e, nil
}

// user parses user NAME [there], or user LOCAL... here.
func (p *parser) user(e *entry) error {
	o := setting{Option: rcfile.Option{File: p.file, Line: p.tok.line}, name: "user"}
	if err := p.mappings(&o); err != nil {
		return err
	}
	o.Text = o.shown()
	if !o.here && (len(o.maps) != 1 || o.maps[0][1] != "") {
		return rcfile.Syntax(p.file, o.Line, "user wants one name, or names followed by here")
	}
	e.users = append(e.users, userEntry{line: o.Line, opts: []setting{o}})
	return nil
}

// mappings parses the names behind user, is and to.
func (p *parser) mappings(o *setting) error {
	if err := p.advance(); err != nil {
		return err
	}
	for p.tok.kind == tokString || p.tok.kind == tokNumber {
		if err := p.argument(o); err != nil {
			return err
		}
		m := [2]string{o.args[len(o.args)-1]}
		if p.tok.kind == tokMap {
			if err := p.advance(); err != nil {
				return err
			}
			if err := p.argument(o); err != nil {
				return err
			}
			m[1] = o.args[len(o.args)-1]
		}
		o.maps = append(o.maps, m)
	}
	if len(o.maps) == 0 {
		return p.unexpected(o.name + " wants a name")
	}
	o.here, o.there = p.word("here"), p.word("there")
	if o.here || o.there {
		return p.advance()
	}
	return nil
}

// option parses one server or user option.
func (p *parser) option() (setting, error) {
	o := setting{Option: rcfile.Option{File: p.file, Line: p.tok.line}, name: p.tok.text}
	if o.name == "is" || o.name == "to" {
		err := p.mappings(&o)
		o.Text = o.shown()
		return o, err
	}
	if err := p.advance(); err != nil {
		return o, err
	}
	if o.name == "no" {
		if p.tok.kind != tokWord {
			return o, p.unexpected("no wants an option")
		}
		o.name += p.tok.text
		if err := p.advance(); err != nil {
			return o, err
		}
	}
	err := p.arguments(&o)
	o.Text = o.shown()
	return o, err
}

// arguments takes as many values as the option wants.
func (p *parser) arguments(o *setting) error {
	switch arity(o.name) {
	case 0:
		return nil
	case 1:
		if p.tok.kind == tokWord && (o.name == "auth" || o.name == "bad-header") {
			p.tok.kind = tokString // password, accept and reject are values here
		}
		return p.argument(o)
	}
	if o.name == "envelope" {
		number := p.tok.kind == tokNumber
		if err := p.argument(o); err != nil || !number {
			return err
		}
		return p.argument(o)
	}
	for first := true; first || p.tok.kind == tokString || p.tok.kind == tokNumber; first = false {
		if err := p.argument(o); err != nil {
			return err
		}
	}
	return nil
}

// shown is the option as a person would write it, secrets as ***.
func (o *setting) shown() string {
	words := []string{o.name}
	if rest, ok := strings.CutPrefix(o.name, "no"); ok && rest != "" {
		words = []string{"no", rest}
	}
	for _, a := range o.args {
		switch {
		case o.name == "password" || o.name == "esmtppassword":
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

// arity is how many values an option takes; 2 for several.
func arity(name string) int {
	switch name {
	case "aka", "localdomains", "folder", "smtphost", "fetchdomains", "antispam", "envelope":
		return 2
	case "via", "protocol", "port", "interval", "auth", "timeout", "qvirtual", "principal", "esmtpname",
		"esmtppassword", "plugin", "plugout", "interface", "monitor", "bad-header", "retrieve-error", "password",
		"smtpaddress", "smtpname", "mda", "bsmtp", "preconnect", "postconnect", "idletimeout", "moveto", "limit",
		"warnings", "batchlimit", "fetchlimit", "fetchsizelimit", "fastuidl", "expunge", "properties", "sslcert",
		"sslkey", "sslproto", "sslcertfile", "sslcertpath", "sslcommonname", "sslfingerprint":
		return 1
	}
	return 0
}

// isServer reports the options that stand before any user.
func isServer(name string) bool {
	switch name {
	case "via", "protocol", "localdomains", "port", "auth", "timeout", "envelope", "qvirtual", "aka", "interface",
		"monitor", "plugin", "plugout", "dns", "checkalias", "uidl", "interval", "tracepolls", "principal",
		"esmtpname", "esmtppassword", "bad-header", "retrieve-error":
		return true
	}
	return false
}
