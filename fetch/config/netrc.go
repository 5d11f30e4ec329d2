package config

import (
	"errors"
	"fmt"
	"strings"
)

// netrcEntry is one machine of a netrc file; default has no machine.
type netrcEntry struct{ machine, login, password string }

// netrcFile is $NETRC, or .netrc in the home directory.
func (d *secretData) netrcFile() (string, error) {
	if path, ok := d.opts.lookup("NETRC"); ok && path != "" {
		return path, nil
	}
	return d.opts.tilde("~/.netrc")
}

// netrc looks up the password for the secret's host and user.
func (d *secretData) netrc() (string, error) {
	path, err := d.netrcFile()
	if err != nil {
		return "", err
	}
	text, err := readSecret(path, &d.opts)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	entries, err := parseNetrc(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	for _, e := range entries {
		if e.matches(d.host, d.user) && e.password != "" {
			return e.password, nil
		}
	}
	return "", fmt.Errorf("%s: no password for machine %s login %s", path, d.host, d.user)
}

// NetrcLogin returns the login that the text of a netrc file has for a host: the
// first of them, if it has several.
func NetrcLogin(text, host string) (string, error) {
	entries, err := parseNetrc(text)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.matches(host, e.login) && e.login != "" {
			return e.login, nil
		}
	}
	return "", fmt.Errorf("no login for machine %s", host)
}

// matches reports whether the entry is for host and user. One without a login
// is for every user.
func (e netrcEntry) matches(host, user string) bool {
	return (e.machine == "" || strings.EqualFold(e.machine, host)) && (e.login == "" || e.login == user)
}

// parseNetrc reads a netrc file: tokens separated by white space, a token in
// double quotes with backslash escapes, # comments where a keyword is allowed,
// and macdef, whose body ends at an empty line. The default entry comes last,
// wherever it is in the file.
func parseNetrc(text string) ([]netrcEntry, error) {
	var entries []netrcEntry
	var last *netrcEntry // the default
	cur := &netrcEntry{} // what precedes the first machine is ignored
	s := &netrcScanner{rest: text}
	for {
		word, err := s.keyword()
		switch {
		case err != nil:
			return nil, err
		case word == "":
			if last != nil {
				entries = append(entries, *last)
			}
			return entries, nil
		case word == "default":
			last = &netrcEntry{}
			cur = last
			continue
		case word == "macdef":
			s.skipMacro()
			continue
		}
		value, err := s.token()
		if err != nil {
			return nil, err
		}
		switch word {
		case "machine":
			entries = append(entries, netrcEntry{machine: value})
			cur = &entries[len(entries)-1]
		case "login":
			cur.login = value
		case "password":
			cur.password = value
		case "account":
		default:
			return nil, fmt.Errorf("line %d: unknown word where a keyword is expected", s.line())
		}
	}
}

// netrcScanner splits a netrc file into tokens.
type netrcScanner struct {
	rest string
	read int // lines passed
}

func (s *netrcScanner) line() int { return s.read + 1 }

func (s *netrcScanner) advance(n int) {
	s.read += strings.Count(s.rest[:n], "\n")
	s.rest = s.rest[n:]
}

func (s *netrcScanner) space() {
	s.advance(len(s.rest) - len(strings.TrimLeft(s.rest, " \t\r\n")))
}

// keyword returns the next token past comments; "" at the end.
func (s *netrcScanner) keyword() (string, error) {
	for s.space(); strings.HasPrefix(s.rest, "#"); s.space() {
		s.skipLine()
	}
	if s.rest == "" {
		return "", nil
	}
	return s.token()
}

func (s *netrcScanner) skipLine() {
	line, _, _ := strings.Cut(s.rest, "\n")
	s.advance(min(len(line)+1, len(s.rest)))
}

// skipMacro passes the rest of a macdef, to the first empty line.
func (s *netrcScanner) skipMacro() {
	for s.skipLine(); s.rest != ""; s.skipLine() {
		if line, _, _ := strings.Cut(s.rest, "\n"); strings.TrimRight(line, "\r") == "" {
			return
		}
	}
}

// token returns the next token, quoted or not.
func (s *netrcScanner) token() (string, error) {
	s.space()
	if s.rest == "" {
		return "", errors.New("ends where a value is expected")
	}
	if s.rest[0] == '"' {
		return s.quoted()
	}
	n := strings.IndexAny(s.rest, " \t\r\n")
	if n < 0 {
		n = len(s.rest)
	}
	word := s.rest[:n]
	s.advance(n)
	return word, nil
}

func (s *netrcScanner) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.advance(i + 1)
			return b.String(), nil
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(unescape(s.rest[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("line %d: a quote is not closed", s.line())
}

func unescape(c byte) byte {
	if i := strings.IndexByte("nrt", c); i >= 0 {
		return "\n\r\t"[i]
	}
	return c
}
