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
		return nil, fmt.Errorf("wants pop3s://, pop3:// or pop3+plain://%s", DidYouMean(scheme, []string{"pop3s", "pop3", "pop3+plain"}))
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
	server, err := ParseServer(host)
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
	a.Password = o.Password
	a.bind()
	a.Schedule.Jitter = defaultJitter(a.Schedule.Every)
	if a.Server.Security == pop3.Plain && !a.Server.Insecure {
		return nil, errors.New("pop3+plain to another machine: anyone on the way can read password and mail (--insecure allows it)")
	}
	if o.CAFile == "" {
		return a, nil
	}
	path, err := Absolute(o.CAFile)
	if err == nil {
		a.TLS.CAFile = path
		err = Readable(path)
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

// Absolute expands a leading ~, which a shell leaves alone after a colon, and
// makes a path absolute.
func Absolute(p string) (string, error) {
	if err := checkText(p); err != nil {
		return "", fmt.Errorf("path: %w", err)
	}
	p, err := (&walker{opts: Options{LookupEnv: os.LookupEnv}}).tilde(p)
	if err != nil {
		return "", err
	}
	return filepath.Abs(p)
}
