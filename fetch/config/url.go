package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// URLOptions are what goes with the URL of a server with a login, fetch --from
// or --to.
type URLOptions struct {
	// Insecure allows a connection without TLS to another machine.
	Insecure bool
	// CAFile, for --from, is a PEM file of the authorities to trust instead of the
	// system's.
	CAFile string
	// Password is the secret, the zero value if the caller asks for it later.
	Password Secret
}

// FromURL makes an account from pop3s://USER@HOST[:PORT] (implicit TLS),
// pop3:// (STLS required) or pop3+plain:// (no TLS), with the built-in
// defaults and nothing in Deliver. Its Name is its ID. Messages do not repeat
// the URL: it may hold a password, which is refused.
func FromURL(from string, o URLOptions) (*Account, error) {
	a := newAccount()
	path, err := a.parse(from, "pop3", "--password-command or MAILHAUL_PASSWORD")
	if err != nil {
		return nil, err
	}
	if strings.Trim(path, "/") != "" {
		return nil, errors.New("wants nothing after the host and port")
	}
	return a.fromURL(o)
}

// ParseRemote makes the server of a target from PROTOCOLs://USER@HOST[:PORT]/PATH
// (implicit TLS), PROTOCOL:// (STARTTLS required) or PROTOCOL+plain:// (no TLS), and
// returns the path. The port is 0 if there is none. Instead says where the password
// belongs.
func ParseRemote(s, protocol, instead string) (r Remote, path string, err error) {
	r = NewRemote()
	path, err = r.parse(s, protocol, instead)
	return r, strings.TrimPrefix(path, "/"), err
}

func (r *Remote) parse(s, protocol, instead string) (path string, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return "", fmt.Errorf("wants %[1]ss://USER@HOST, such as %[1]ss://alice%%40example.org@%[2]s.example.org", protocol, strings.TrimRight(protocol, "3"))
	}
	schemes := []string{protocol + "s", protocol, protocol + "+plain"}
	i := slices.Index(schemes, scheme)
	if i < 0 {
		return "", fmt.Errorf("wants %s://, %s:// or %s://%s", schemes[0], schemes[1], schemes[2], DidYouMean(scheme, schemes))
	}
	r.Server.Security = []pop3.Security{pop3.ImplicitTLS, pop3.STLS, pop3.Plain}[i]
	user := strings.IndexByte(rest, '@')
	if end := strings.IndexAny(rest[user+1:], "/?#"); user >= 0 && end >= 0 {
		rest, path = rest[:user+1+end], rest[user+1+end:]
	}
	if user = strings.LastIndexByte(rest, '@'); user <= 0 {
		return "", fmt.Errorf("names no user: wants %s://USER@HOST", scheme)
	}
	if strings.Contains(rest[:user], ":") {
		return "", errors.New("a password does not belong on the command line, where every user of the machine can see it:" +
			" use " + instead + " (a colon in the user name is %3A)")
	}
	if r.User, err = url.PathUnescape(rest[:user]); err != nil || checkText(r.User) != nil {
		return "", errors.New("the user name is not well encoded: % is %25, @ is %40")
	}
	server, err := ParseServer(rest[user+1:])
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	r.Server.Host, r.Server.Port = server.Host, server.Port
	return path, nil
}

// fromURL completes and checks an account from a URL.
func (a *Account) fromURL(o URLOptions) (*Account, error) {
	a.Server.Port = cmp.Or(a.Server.Port, a.Server.Security.Port())
	a.ID = defaultID(a)
	a.Name = a.ID
	a.Schedule.Jitter = defaultJitter(a.Schedule.Every)
	if err := a.Take(o, "pop3"); err != nil {
		return nil, err
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

// Take completes a server from a URL with the options that go with it, and refuses
// one that they do not allow.
func (r *Remote) Take(o URLOptions, protocol string) error {
	r.Server.Insecure, r.Password = o.Insecure, o.Password
	r.Bind()
	if r.Server.Security == pop3.Plain && !r.Server.Insecure {
		return fmt.Errorf("%s+plain to another machine: anyone on the way can read password and mail (--insecure allows it)", protocol)
	}
	return nil
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
	p, err := (&Options{LookupEnv: os.LookupEnv}).tilde(p)
	if err != nil {
		return "", err
	}
	return filepath.Abs(p)
}
