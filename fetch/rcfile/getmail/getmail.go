// Package getmail reads getmail's rc files and its oldmail files.
package getmail

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// FormatGetmail reads getmail's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "getmail", Find: find, Read: read, Seen: seen, Busy: busy}
}

// find returns the configuration directory.
func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.ConfigHome(), "getmail"), rcfile.Under(o.Home, ".getmail"))
}

// read reads an rc file, or those of a directory: getmailrc alone if it
// is there, else every file that can be one.
func read(r *rcfile.Result, p string) error {
	if p == rcfile.Stdin {
		return readFile(r, p)
	}
	st, err := os.Stat(p)
	if err != nil {
		return rcfile.Brief(err)
	}
	if !st.IsDir() {
		return readFile(r, p)
	}
	main := filepath.Join(p, "getmailrc")
	if _, err := os.Stat(main); err == nil {
		return readFile(r, main)
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return rcfile.Brief(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "oldmail-") || strings.HasSuffix(name, ".json") {
			continue
		}
		if err := readFile(r, filepath.Join(p, name)); err != nil {
			r.AddNote(rcfile.Dropped, filepath.Join(p, name), 0, "", "was passed over, it is no getmailrc: "+err.Error())
		}
	}
	return nil
}

// rest speaks of the options that nothing else has spoken of.
func (g *rcFile) rest() {
	for _, s := range g.sections {
		for _, v := range s.Options {
			switch {
			case g.a.Noted(v.Option):
			case strings.HasPrefix(s.Name, "filter"):
				g.a.Drop(v.Option, "is for a filter")
			case g.used[s.Name] && targetPart(v.Name):
				g.a.Carry(v.Option, "deliver")
			default:
				g.a.Rest(v.Option, v.Value)
			}
		}
	}
}

// rcFile is one rc file in the making.
type rcFile struct {
	r        *rcfile.Result
	a        *rcfile.Account
	file     string
	sections []*rcfile.Section
	kind     retriever
	used     map[string]bool // destinations
}

// retriever is what a retriever's type says.
type retriever struct{ tls, multi bool }

func retrieverOf(s string) (k retriever, ok bool) {
	switch s {
	case "SimplePOP3Retriever", "BrokenUIDLPOP3Retriever":
		return retriever{}, true
	case "SimplePOP3SSLRetriever", "BrokenUIDLPOP3SSLRetriever":
		return retriever{tls: true}, true
	case "MultidropPOP3Retriever":
		return retriever{multi: true}, true
	case "MultidropPOP3SSLRetriever":
		return retriever{tls: true, multi: true}, true
	}
	return k, false
}

func (g *rcFile) section(name string) *rcfile.Section {
	for _, s := range g.sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func readFile(r *rcfile.Result, file string) error {
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	sections, err := rcfile.ParseINI(file, text)
	if err != nil {
		return err
	}
	g := &rcFile{r: r, file: file, sections: sections, used: map[string]bool{}}
	ret := g.section("retriever")
	kind, has := ret.Get("type")
	if !has {
		r.AddNote(rcfile.Dropped, file, 0, "", "has no [retriever] with a type")
		return nil
	}
	var ok bool
	if g.kind, ok = retrieverOf(kind.Value); !ok {
		r.AddNote(rcfile.Dropped, file, kind.Line, kind.Text, "mailhaul fetches by plain POP3 only")
		return nil
	}
	host, _ := ret.Get("server")
	label := strings.TrimSuffix(filepath.Base(file), "rc")
	if label == "getmail" || label == "" || label == "getmail.conf" {
		label = host.Value
	}
	g.a = r.Add(label, file, ret.Line)
	g.retriever(ret)
	g.options(g.section("options"))
	g.destination("destination", 0)
	for _, s := range sections {
		if strings.HasPrefix(s.Name, "filter") {
			g.a.Drop(rcfile.Option{File: file, Line: s.Line, Text: "[" + s.Name + "]"}, "messages are not filtered: let the target do it")
			g.a.Unsure = "its mail went through a filter ([" + s.Name + "])"
		}
	}
	g.rest()
	return nil
}

func (g *rcFile) retriever(s *rcfile.Section) {
	a := g.a
	a.TLS = pop3.Plain
	if g.kind.tls {
		a.TLS = pop3.ImplicitTLS
	}
	if a.Multi = g.kind.multi; g.kind.multi {
		g.envelope(s)
	}
	for _, v := range s.Options {
		if !g.server(v) && !g.login(v, s) {
			a.Drop(v.Option, why(v.Name))
		}
	}
	if g.kind.tls {
		if v, ok := s.Get("ca_certs"); !ok {
			a.Change(rcfile.Option{File: g.file, Line: s.Line, Text: ""}, "getmail does not check certificates without ca_certs; mailhaul always does")
		} else {
			g.r.PutFile(a, v.Option, "ca_file", g.expand(v.Value), filepath.Dir(g.file))
		}
	}
	port := a.Port
	if port == 0 {
		port = rcfile.UsualPort(a.TLS)
	}
	a.Seen = rcfile.SeenKey{Host: a.Host, User: a.User, Port: port}
	a.Seen.File = oldmailFile(g.r.Options, g.file, oldmailName(a.Host, port, a.User))
}

// expand does what Python's expanduser and expandvars do: ~USER/ in front, and
// $NAME and ${NAME} if they are set; ~/ stays, as the YAML knows it.
func (g *rcFile) expand(s string) string {
	if user, _, _ := strings.Cut(strings.TrimPrefix(s, "~"), "/"); strings.HasPrefix(s, "~") && user != "" && g.r.Options.HomeOf != nil {
		if home := g.r.Options.HomeOf(user); home != "" {
			s = strings.TrimSuffix(home, "/") + strings.TrimPrefix(s, "~"+user)
		}
	}
	return regexp.MustCompile(`\$(\w+|\{[^}]*\})`).ReplaceAllStringFunc(s, func(name string) string {
		word := strings.Trim(name, "${}")
		if word == "HOME" {
			return g.r.Options.Home
		}
		if g.r.Options.LookupEnv != nil {
			if v, ok := g.r.Options.LookupEnv(word); ok {
				return v
			}
		}
		return name
	})
}

// words expands each word of a command.
func (g *rcFile) words(argv []string) []string {
	out := make([]string, len(argv))
	for i, s := range argv {
		out[i] = g.r.Options.Tilde(g.expand(s))
	}
	return out
}

// server handles how the server is reached.
func (g *rcFile) server(v rcfile.Setting) bool {
	a := g.a
	switch v.Name {
	case "type":
		a.Carry(v.Option, "tls")
		if strings.HasPrefix(v.Value, "Broken") {
			a.Change(v.Option, "without UIDL messages are told apart by their headers")
		}
	case "server":
		a.Host = v.Value
		a.Carry(v.Option, "server")
	case "port":
		n, err := strconv.Atoi(v.Value)
		if err != nil || n < 1 || n > 65535 {
			a.Drop(v.Option, "is no port")
			return true
		}
		a.Port = n
		a.Carry(v.Option, "server")
	case "timeout":
		n, _ := rcfile.Atoi(v.Value)
		a.Seconds(v.Option, "timeout", n)
	case "envelope_recipient":
		if !g.kind.multi {
			a.Drop(v.Option, "is for multidrop retrievers")
		}
	case "ca_certs":
		if !g.kind.tls {
			a.Drop(v.Option, "is for retrievers with SSL")
		}
	case "certfile":
		g.r.PutFile(a, v.Option, "client_cert", g.expand(v.Value), filepath.Dir(g.file))
	case "keyfile":
		g.r.PutFile(a, v.Option, "client_key", g.expand(v.Value), filepath.Dir(g.file))
	case "ssl_cert_hostname":
		if rcfile.ValidHost(v.Value) {
			a.Put(v.Option, "server_name", v.Value)
		}
	default:
		return false
	}
	return true
}

func why(name string) string {
	switch name {
	case "ssl_fingerprints":
		return "are hashes of whole certificates, which change at each renewal; pin wants that of the public key: mailhaul check --connect shows it"
	case "ssl_version", "ssl_ciphers":
		return "see min_version and legacy"
	case "delete_dup_msgids":
		return "messages with the same UID are each delivered"
	case "record_mailbox", "mailboxes", "use_peek", "move_on_delete", "use_kerberos", "imap_search", "imap_on_delete":
		return "is for IMAP"
	}
	return "is not known here"
}

// login handles user, password and method.
func (g *rcFile) login(v rcfile.Setting, s *rcfile.Section) bool {
	a := g.a
	key := "password"
	if x, ok := s.Get("use_xoauth2"); ok && pyBool(x.Value) {
		key = "token"
	}
	switch v.Name {
	case "username":
		a.User = v.Value
		a.Carry(v.Option, "user")
	case "password":
		g.r.Password(a, v.Option, key, v.Value)
	case "password_command":
		t, ok := parseTuple(v.Value)
		argv, plain := t.strings()
		if _, has := s.Get("password"); has {
			a.Drop(v.Option, "has no use beside password")
		} else if !ok || !plain {
			a.Drop(v.Option, "is no tuple of strings")
		} else if len(argv) > 0 {
			a.PasswordCommand(v.Option, key, g.words(argv))
		}
	case "use_apop":
		if pyBool(v.Value) {
			a.Put(v.Option, "auth", config.Word("apop"))
		}
	case "use_xoauth2":
		if pyBool(v.Value) {
			a.Put(v.Option, "auth", config.Word("xoauth2"))
		}
	default:
		return false
	}
	return true
}

func pyBool(s string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(s))
}

// envelope reads envelope_recipient, FIELD:N.
func (g *rcFile) envelope(s *rcfile.Section) {
	v, ok := s.Get("envelope_recipient")
	header, nth, _ := strings.Cut(v.Value, ":")
	n, err := strconv.Atoi(strings.TrimSpace(nth))
	header = strings.TrimSpace(header)
	if !ok || err != nil || n < 1 || n > 1000 || !rcfile.ValidField(header) {
		g.a.Drop(v.Option, "wants FIELD:NUMBER, from 1")
		g.a.Unsure = "name the field that holds the recipients under to: header"
		header, n = "Delivered-To", 1
	} else {
		g.a.Carry(v.Option, "to")
	}
	to := config.Pair("header", header)
	if n > 1 {
		to = to.And("occurrence", config.Word(strconv.Itoa(n)))
	}
	g.a.Set("to", to)
}
