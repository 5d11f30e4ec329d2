package rcfile

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// FormatGetmail reads getmail's files.
func FormatGetmail() Format {
	return Format{Name: "getmail", Find: findGetmail, Read: readGetmail, Seen: seenGetmail, Busy: busyGetmail}
}

// findGetmail returns the configuration directory.
func findGetmail(o Options) (string, error) {
	return first(under(o.xdg(), "getmail"), under(o.Home, ".getmail"))
}

// readGetmail reads an rc file, or those of a directory: getmailrc alone if it
// is there, else every file that can be one.
func readGetmail(r *Result, p string) error {
	if p == stdin {
		return getmailFile(r, p)
	}
	st, err := os.Stat(p)
	if err != nil {
		return brief(err)
	}
	if !st.IsDir() {
		return getmailFile(r, p)
	}
	main := filepath.Join(p, "getmailrc")
	if _, err := os.Stat(main); err == nil {
		return getmailFile(r, main)
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return brief(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "oldmail-") || strings.HasSuffix(name, ".json") {
			continue
		}
		if err := getmailFile(r, filepath.Join(p, name)); err != nil {
			r.note(Dropped, filepath.Join(p, name), 0, "", "was passed over, it is no getmailrc: "+err.Error())
		}
	}
	return nil
}

// rest speaks of the options that nothing else has spoken of.
func (g *getmailRC) rest() {
	for _, s := range g.sections {
		for _, v := range s.options {
			switch {
			case g.a.told(v.option):
			case strings.HasPrefix(s.name, "filter"):
				g.a.drop(v.option, "is for a filter")
			case g.used[s.name] && getmailTargetPart(v.name):
				g.a.carry(v.option, "deliver")
			default:
				g.a.rest(v.option, v.value)
			}
		}
	}
}

// getmailRC is one rc file in the making.
type getmailRC struct {
	r        *Result
	a        *Account
	file     string
	sections []*iniSection
	kind     getmailKind
	used     map[string]bool // destinations
}

// getmailKind is what a retriever's type says.
type getmailKind struct{ tls, multi bool }

func getmailType(s string) (k getmailKind, ok bool) {
	switch s {
	case "SimplePOP3Retriever", "BrokenUIDLPOP3Retriever":
		return getmailKind{}, true
	case "SimplePOP3SSLRetriever", "BrokenUIDLPOP3SSLRetriever":
		return getmailKind{tls: true}, true
	case "MultidropPOP3Retriever":
		return getmailKind{multi: true}, true
	case "MultidropPOP3SSLRetriever":
		return getmailKind{tls: true, multi: true}, true
	}
	return k, false
}

func (g *getmailRC) section(name string) *iniSection {
	for _, s := range g.sections {
		if s.name == name {
			return s
		}
	}
	return nil
}

func getmailFile(r *Result, file string) error {
	text, err := r.config(file)
	if err != nil {
		return err
	}
	sections, err := parseINI(file, text)
	if err != nil {
		return err
	}
	g := &getmailRC{r: r, file: file, sections: sections, used: map[string]bool{}}
	ret := g.section("retriever")
	kind, has := ret.get("type")
	if !has {
		r.note(Dropped, file, 0, "", "has no [retriever] with a type")
		return nil
	}
	var ok bool
	if g.kind, ok = getmailType(kind.value); !ok {
		r.note(Dropped, file, kind.line, kind.text, "mailhaul fetches by plain POP3 only")
		return nil
	}
	host, _ := ret.get("server")
	label := strings.TrimSuffix(filepath.Base(file), "rc")
	if label == "getmail" || label == "" || label == "getmail.conf" {
		label = host.value
	}
	g.a = r.account(label, file, ret.line)
	g.retriever(ret)
	g.options(g.section("options"))
	g.destination("destination", 0)
	for _, s := range sections {
		if strings.HasPrefix(s.name, "filter") {
			g.a.drop(option{file, s.line, "[" + s.name + "]"}, "messages are not filtered: let the target do it")
			g.a.unsure = "its mail went through a filter ([" + s.name + "])"
		}
	}
	g.rest()
	return nil
}

func (g *getmailRC) retriever(s *iniSection) {
	a := g.a
	a.TLS = pop3.Plain
	if g.kind.tls {
		a.TLS = pop3.ImplicitTLS
	}
	if a.multi = g.kind.multi; g.kind.multi {
		g.envelope(s)
	}
	for _, v := range s.options {
		if !g.server(v) && !g.login(v, s) {
			a.drop(v.option, getmailWhy(v.name))
		}
	}
	if g.kind.tls {
		if v, ok := s.get("ca_certs"); !ok {
			a.change(option{g.file, s.line, ""}, "getmail does not check certificates without ca_certs; mailhaul always does")
		} else {
			g.r.file(a, v.option, "ca_file", g.expand(v.value), filepath.Dir(g.file))
		}
	}
	port := a.Port
	if port == 0 {
		port = usualPort(a.TLS)
	}
	a.state = stateKey{host: a.Host, user: a.User, port: port}
	a.state.file = oldmailFile(g.r.opts, g.file, oldmailName(a.Host, port, a.User))
}

// expand does what Python's expanduser and expandvars do: ~USER/ in front, and
// $NAME and ${NAME} if they are set; ~/ stays, as the YAML knows it.
func (g *getmailRC) expand(s string) string {
	if user, _, _ := strings.Cut(strings.TrimPrefix(s, "~"), "/"); strings.HasPrefix(s, "~") && user != "" && g.r.opts.HomeOf != nil {
		if home := g.r.opts.HomeOf(user); home != "" {
			s = strings.TrimSuffix(home, "/") + strings.TrimPrefix(s, "~"+user)
		}
	}
	return regexp.MustCompile(`\$(\w+|\{[^}]*\})`).ReplaceAllStringFunc(s, func(name string) string {
		word := strings.Trim(name, "${}")
		if word == "HOME" {
			return g.r.opts.Home
		}
		if g.r.opts.LookupEnv != nil {
			if v, ok := g.r.opts.LookupEnv(word); ok {
				return v
			}
		}
		return name
	})
}

// words expands each word of a command.
func (g *getmailRC) words(argv []string) []string {
	out := make([]string, len(argv))
	for i, s := range argv {
		out[i] = g.r.opts.tilde(g.expand(s))
	}
	return out
}

// server handles how the server is reached.
func (g *getmailRC) server(v iniValue) bool {
	a := g.a
	switch v.name {
	case "type":
		a.carry(v.option, "tls")
		if strings.HasPrefix(v.value, "Broken") {
			a.change(v.option, "without UIDL messages are told apart by their headers")
		}
	case "server":
		a.Host = v.value
		a.carry(v.option, "server")
	case "port":
		n, err := strconv.Atoi(v.value)
		if err != nil || n < 1 || n > 65535 {
			a.drop(v.option, "is no port")
			return true
		}
		a.Port = n
		a.carry(v.option, "server")
	case "timeout":
		n, _ := atoi(v.value)
		a.seconds(v.option, "timeout", n)
	case "envelope_recipient":
		if !g.kind.multi {
			a.drop(v.option, "is for multidrop retrievers")
		}
	case "ca_certs":
		if !g.kind.tls {
			a.drop(v.option, "is for retrievers with SSL")
		}
	case "certfile":
		g.r.file(a, v.option, "client_cert", g.expand(v.value), filepath.Dir(g.file))
	case "keyfile":
		g.r.file(a, v.option, "client_key", g.expand(v.value), filepath.Dir(g.file))
	case "ssl_cert_hostname":
		if validHost(v.value) {
			a.put(v.option, "server_name", v.value)
		}
	default:
		return false
	}
	return true
}

func getmailWhy(name string) string {
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
func (g *getmailRC) login(v iniValue, s *iniSection) bool {
	a := g.a
	key := "password"
	if x, ok := s.get("use_xoauth2"); ok && pyBool(x.value) {
		key = "token"
	}
	switch v.name {
	case "username":
		a.User = v.value
		a.carry(v.option, "user")
	case "password":
		g.r.password(a, v.option, key, v.value)
	case "password_command":
		t, ok := parseTuple(v.value)
		argv, plain := t.strings()
		if _, has := s.get("password"); has {
			a.drop(v.option, "has no use beside password")
		} else if !ok || !plain {
			a.drop(v.option, "is no tuple of strings")
		} else if len(argv) > 0 {
			a.passwordCommand(v.option, key, g.words(argv))
		}
	case "use_apop":
		if pyBool(v.value) {
			a.put(v.option, "auth", config.Word("apop"))
		}
	case "use_xoauth2":
		if pyBool(v.value) {
			a.put(v.option, "auth", config.Word("xoauth2"))
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
func (g *getmailRC) envelope(s *iniSection) {
	v, ok := s.get("envelope_recipient")
	header, nth, _ := strings.Cut(v.value, ":")
	n, err := strconv.Atoi(strings.TrimSpace(nth))
	header = strings.TrimSpace(header)
	if !ok || err != nil || n < 1 || n > 1000 || !validField(header) {
		g.a.drop(v.option, "wants FIELD:NUMBER, from 1")
		g.a.unsure = "name the field that holds the recipients under to: header"
		header, n = "Delivered-To", 1
	} else {
		g.a.carry(v.option, "to")
	}
	to := config.Pair("header", header)
	if n > 1 {
		to = to.And("occurrence", config.Word(strconv.Itoa(n)))
	}
	g.a.set("to", to)
}
