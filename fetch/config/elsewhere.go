package config

import (
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"golang.org/x/net/http/httpguts"
	"gopkg.in/yaml.v3"
)

// Elsewhere is where accounts are besides the configuration file.
type Elsewhere struct {
	// Include are absolute patterns of files, as of filepath.Glob.
	Include []string
	From    []Source
	// Refresh is how often a loop reads all of them again.
	Refresh time.Duration
}

// Any reports whether there are any.
func (e *Elsewhere) Any() bool { return len(e.Include)+len(e.From) > 0 }

// Source prints accounts: a command, or the answer to a GET of a URL. One of the two
// is set.
type Source struct {
	Web
	// Trusted: its accounts may have all that those of the file may. Others bring
	// nothing but values: no command, path, or secret of this machine.
	Trusted bool
}

// Web is a command, or a URL with header fields for the request.
type Web struct {
	Command []string
	URL     string
	Headers []Named[Secret]
	// Insecure allows http:// to another machine.
	Insecure bool
}

// Label names a source without its arguments, and a URL without what may be as good
// as a password.
func (s *Web) Label() string {
	if len(s.Command) > 0 {
		return "command " + filepath.Base(s.Command[0])
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "url"
	}
	return "url " + u.Host
}

func elsewhereKeys(e *Elsewhere) []Row {
	return []Row{
		On("include", "", "files with more accounts, such as `accounts.d/*.yaml`",
			OneOrMore(Path(), "a pattern of files or a list of patterns"), &e.Include),
		On("accounts_from", "", "commands and URLs that print more accounts",
			List(mapping("a mapping of command, or of url and headers", Source{}, sourceKeys, checkSource),
				"a list, each such as - command: [PROGRAM]"), &e.From),
		On("refresh", "5m", "how often loop reads include and accounts_from again", Duration(time.Second), &e.Refresh),
	}
}

func sourceKeys(s *Source) []Row {
	return append(s.keys("that prints accounts"),
		On("trusted", "true of a command, false of a url",
			"whether its accounts may run commands and name files and secrets of this machine", Boolean(), &s.Trusted))
}

func resultKeys(r *Web) []Row { return r.keys("that gets the result of each run as a JSON object") }

// keys is the table of a command or URL; does is what it is for.
func (s *Web) keys(does string) []Row {
	return []Row{
		On("command", "", "command "+does, Command(), &s.Command),
		On("url", "", "URL "+does, webURL(), &s.URL),
		On("headers", "", "header fields of the request, each with a text or a secret",
			Mapping(SecretOf(), "a mapping of header fields", requestField), &s.Headers),
		On("insecure", "false", "allow http:// to another machine", Boolean(), &s.Insecure),
	}
}

func checkSource(w *walker, path string, n *yaml.Node, s *Source) {
	checkWeb(w, path, n, &s.Web)
	if !w.has(path, "trusted") {
		s.Trusted = len(s.Command) > 0
	}
}

// checkWeb wants one of command and url, and no passwords in the open.
func checkWeb(w *walker, path string, n *yaml.Node, s *Web) {
	if w.has(path, "command") == w.has(path, "url") {
		w.errorf(n, path, "wants one of command and url")
	}
	if w.has(path, "headers") && !w.has(path, "url") {
		w.errorf(n, path, "has headers but no url")
	}
	if u, err := url.Parse(s.URL); err == nil && u.Scheme == "http" && !s.Insecure && !Loopback(u.Hostname()) {
		w.errorf(n, path, "http:// to another machine: anyone on the way can read passwords and change accounts (insecure: true allows it)")
	}
}

// requestField says what is wrong with the name of a header field of a request.
func requestField(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return errors.New("has a key that is not the name of a header field")
	}
	return nil
}
