package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// URLOptions are what goes with the URL of fetch --from.
type URLOptions struct {
	// Insecure allows pop3+plain to another machine.
	Insecure bool
	// CAFile is a PEM file of the authorities to trust instead of the system's.
	CAFile string
	// Password is the secret, the zero value if the caller asks for it later.
	Password Secret
}

// FromURL makes an account from pop3s://USER@HOST[:PORT] (implicit TLS),
// pop3:// (STLS required) or pop3+plain:// (no TLS), with the built-in
// defaults and nothing in Deliver. Its Name is its ID. Messages do not repeat
// the URL: it may hold a password, which is refused.
func FromURL(from string, o URLOptions) (*Account, error) {
	scheme, rest, ok := strings.Cut(from, "://")
	if !ok {
		return nil, errors.New("wants pop3s://USER@HOST, such as pop3s://alice%40example.org@pop.example.org")
	}
	a := newAccount()
	switch scheme {
	case "pop3s":
	case "pop3":
		a.Server.Security = pop3.STLS
	case "pop3+plain":
		a.Server.Security = pop3.Plain
	default:
		return nil, fmt.Errorf("wants pop3s://, pop3:// or pop3+plain://%s", didYouMean(scheme, []string{"pop3s", "pop3", "pop3+plain"}))
	}
	i := strings.LastIndexByte(rest, '@')
	if i <= 0 {
		return nil, fmt.Errorf("names no user: wants %s://USER@HOST", scheme)
	}
	if strings.Contains(rest[:i], ":") {
		return nil, errors.New("a password does not belong on the command line, where every user of the machine can see it:" +
			" use --password-command or MAILHAUL_PASSWORD (a colon in the user name is %3A)")
	}
	var err error
	if a.User, err = url.PathUnescape(rest[:i]); err != nil || checkText(a.User) != nil {
		return nil, errors.New("the user name is not well encoded: % is %25, @ is %40")
	}
	host := strings.TrimSuffix(rest[i+1:], "/")
	if strings.ContainsAny(host, "/?#") {
		return nil, errors.New("wants nothing after the host and port")
	}
	server, err := parseServer(host)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	a.Server.Host, a.Server.Port = server.Host, server.Port
	return a.fromURL(o)
}

// fromURL completes and checks an account from a URL.
func (a *Account) fromURL(o URLOptions) (*Account, error) {
	if a.Server.Port == 0 {
		a.Server.Port = a.Server.Security.Port()
	}
	a.ID = defaultID(a)
	a.Name = a.ID
	a.Server.Insecure = o.Insecure
	a.allowPlain()
	a.Schedule.Jitter = defaultJitter(a.Schedule.Every)
	a.Password = o.Password.bind(a.Server.Host, a.User)
	if a.Server.Security == pop3.Plain && !a.Server.Insecure {
		return nil, errors.New("pop3+plain to another machine: anyone on the way can read password and mail (--insecure allows it)")
	}
	if o.CAFile == "" {
		return a, nil
	}
	path, err := absolute(o.CAFile)
	if err == nil {
		a.TLS.CAFile = path
		err = readable(path)
	}
	if err != nil {
		return nil, &CAFileError{err}
	}
	return a, nil
}

// CAFileError says that the file of URLOptions.CAFile cannot be used.
type CAFileError struct{ Err error }

// Error implements error.
func (e *CAFileError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CAFileError) Unwrap() error { return e.Err }

// ParseTarget reads a target of fetch --to: maildir:PATH, mbox:PATH,
// smtp://HOST:PORT?rcpt=ADDR, lmtp://HOST:PORT?rcpt=ADDR,
// lmtp:/PATH/SOCKET?rcpt=ADDR or pipe:PROGRAM ARG... Relative paths start at
// the working directory. rcpt may be repeated; from, tls and insecure are as
// in the configuration.
func ParseTarget(s string) (Target, error) {
	kind, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" {
		return Target{}, errors.New("wants KIND:WHERE, such as maildir:PATH")
	}
	switch kind {
	case "maildir":
		p, err := absolute(rest)
		return Target{Kind: TargetMaildir, Maildir: &Maildir{Path: p}}, err
	case "mbox":
		m := freshMbox()
		var err error
		m.Path, err = absolute(rest)
		return Target{Kind: TargetMbox, Mbox: &m}, err
	case "smtp":
		return relayURL(s, TargetSMTP)
	case "lmtp":
		return relayURL(s, TargetLMTP)
	case "pipe":
		p := freshPipe()
		var err error
		p.Command, err = splitWords(rest)
		return Target{Kind: TargetPipe, Pipe: &p}, err
	}
	return Target{}, fmt.Errorf("unknown kind of target, wants one of %s%s",
		strings.Join(strings.Fields(targetNames), ", "), didYouMean(kind, strings.Fields(targetNames)))
}

// relayURL reads smtp:// and lmtp URLs.
func relayURL(s string, k TargetKind) (Target, error) {
	form := fmt.Errorf("wants %s://HOST:PORT?rcpt=ADDR", k)
	u, err := url.Parse(s)
	if err != nil {
		return Target{}, form
	}
	if u.User != nil {
		return Target{}, errors.New("a login does not belong on the command line: use a configuration file")
	}
	r := freshRelay()
	switch {
	case u.Host == "" && k == TargetLMTP && strings.HasPrefix(u.Path, "/"):
		r.Server.Socket = filepath.Clean(u.Path)
	case u.Host == "" || u.Path != "" && u.Path != "/":
		return Target{}, form
	default:
		if r.Server, err = parseServer(u.Host); err != nil {
			return Target{}, fmt.Errorf("host: %w", err)
		}
	}
	tlsSet, err := r.query(u.RawQuery)
	if err != nil {
		return Target{}, err
	}
	if msg := r.complete(k, tlsSet); msg != "" {
		return Target{}, errors.New(msg)
	}
	return Target{Kind: k, Relay: &r}, nil
}

// query reads the parameters of a relay's URL. A plus sign is itself, not a
// space: it is common in addresses.
func (r *Relay) query(raw string) (tlsSet bool, err error) {
	q, err := url.ParseQuery(strings.ReplaceAll(raw, "+", "%2B"))
	if err != nil {
		return false, errors.New("the part after ? is not well encoded")
	}
	known := []string{"rcpt", "from", "tls", "insecure"}
	for name := range q {
		if !contains(known, name) {
			return false, fmt.Errorf("unknown parameter %q, wants one of %s%s", name, strings.Join(known, ", "), didYouMean(name, known))
		}
	}
	for _, to := range q["rcpt"] {
		if err := checkAddress(to); err != nil {
			return false, fmt.Errorf("rcpt: %w", err)
		}
	}
	if r.To = q["rcpt"]; len(r.To) == 0 {
		return false, errors.New("names no recipient: add ?rcpt=ADDR")
	}
	if r.From = strings.Trim(q.Get("from"), "<>"); r.From != "" && checkAddress(r.From) != nil {
		return false, errors.New("from: is not an address")
	}
	r.Insecure = q.Get("insecure") == "true"
	if !q.Has("tls") {
		return false, nil
	}
	for i, name := range strings.Fields(relayTLSNames) {
		if name == q.Get("tls") {
			r.TLS = RelayTLS(i)
			return true, nil
		}
	}
	return false, fmt.Errorf("tls: wants one of %s", strings.Join(strings.Fields(relayTLSNames), ", "))
}

// absolute expands a leading ~, which a shell leaves alone after a colon, and
// makes a path absolute.
func absolute(p string) (string, error) {
	if err := checkText(p); err != nil {
		return "", fmt.Errorf("path: %w", err)
	}
	p, err := (&walker{opts: Options{LookupEnv: os.LookupEnv}}).tilde(p)
	if err != nil {
		return "", err
	}
	return filepath.Abs(p)
}

// splitWords splits a command at white space; single and double quotes keep
// words together. Nothing else is special: there is no shell.
func splitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	var quote rune
	inWord := false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, b.String())
			}
			b.Reset()
			inWord = false
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quote is not closed")
	case len(words) == 0 || words[0] == "":
		return nil, errors.New("names no program")
	}
	return words, nil
}
