package autoconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// TLS is how a proposed server protects its connection.
type TLS uint8

// The ways of TLS. Plain servers are proposed with STLS, which they may refuse.
const (
	Implicit TLS = iota
	STLS
)

// Auth is a way to log in that a proposal names.
type Auth uint8

// The ways to log in.
const (
	Password Auth = iota
	OAuth2
	Kerberos
	Certificate
)

// OAuth is where a provider issues tokens. It is never complete: the id of
// a registration is the user's own.
type OAuth struct {
	Issuer, AuthURL, TokenURL string
	Scopes                    []string
}

// Link is a page of the provider, such as the one that explains how to switch
// POP3 on.
type Link struct{ Text, URL string }

// Proposal is a server that an address's mail may be fetched from.
type Proposal struct {
	// Source is where it was found, for the person who confirms it.
	Source string
	// Provider is what the provider calls itself; empty if that is not known.
	Provider string
	Host     string
	Port     int
	TLS      TLS
	// User is the login name, placeholders filled in.
	User string
	// Auth are the ways to log in, the preferred first; empty if not known.
	Auth  []Auth
	OAuth *OAuth
	// Links are pages to show.
	Links []Link
	// Foreign is set if the server is of another domain than the address and
	// nothing but the unsigned DNS vouches for it (RFC 6186 section 6).
	Foreign bool
}

// ErrNotFound means that no place has a server for the domain.
var ErrNotFound = errors.New("no settings found")

// thunderbird is the database of providers that Thunderbird uses.
const thunderbird = "https://autoconfig.thunderbird.net/v1.1/"

// Client looks servers up. The zero value uses the system's resolver and
// roots, and Thunderbird's database. Its methods may be called at any time
// from any goroutine.
type Client struct {
	// HTTP replaces the client for https; its redirects and size are bounded
	// here anyway.
	HTTP *http.Client
	// Database is the base URL of the database, with a slash at its end; only
	// it is asked if it is set.
	Database string
	// Resolver replaces net.DefaultResolver.
	Resolver Resolver
	// Dial replaces a TLS connection for Guess.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Progress gets each place before it is queried; may be nil.
	Progress func(place string)
}

// Resolver is what of net.Resolver is used.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

const (
	// askTimeout bounds one question, totalTimeout all of them.
	askTimeout   = 5 * time.Second
	totalTimeout = 25 * time.Second
)

// Lookup returns the first proposal that a place has for an address, in the
// order of the autoconfig draft: the provider's own file, the well-known
// place, the database, the same for the domain of the mail exchanger, SRV
// records. ErrNotFound is returned if no place has one; then the error also
// says what stood in the way.
func (c *Client) Lookup(ctx context.Context, address string) (*Proposal, error) {
	local, domain, ok := Split(address)
	if !ok {
		return nil, fmt.Errorf("%q is not a mail address", address)
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	who := person{address: local + "@" + domain, local: local, domain: domain}
	var troubles []error
	for _, place := range c.places(domain) {
		c.progress(place.name)
		p, err := place.ask(ctx, who)
		switch {
		case p != nil:
			return p, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", ErrNotFound, context.Cause(ctx))
		case !errors.Is(err, ErrNotFound):
			troubles = append(troubles, fmt.Errorf("%s: %w", place.name, err))
		}
	}
	return nil, errors.Join(append([]error{ErrNotFound}, troubles...)...)
}

// person has the values of the placeholders.
type person struct{ address, local, domain string }

// place is where settings may be found.
type place struct {
	name string
	ask  func(context.Context, person) (*Proposal, error)
}

func (c *Client) places(domain string) []place {
	if c.Database != "" {
		return []place{c.file(c.Database + domain)}
	}
	return append(c.files(domain),
		place{"the mail exchanger of " + domain, c.exchanger},
		place{"the DNS (SRV records)", c.srv})
}

// files are the places of section 4 of the autoconfig draft. The address is
// left out of the first: a name is filled in here.
func (c *Client) files(domain string) []place {
	return []place{
		c.file("https://autoconfig." + domain + "/mail/config-v1.1.xml"),
		c.file("https://" + domain + "/.well-known/autoconfig/mail/config-v1.1.xml"),
		c.file(thunderbird + domain),
	}
}

func (c *Client) progress(place string) {
	if c.Progress != nil {
		c.Progress(place)
	}
}

// Split takes a mail address apart. The domain is in lower case, and an international
// one in its ASCII form (RFC 5890); only names
// that can be part of a URL and of a DNS question are accepted.
func Split(address string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 1 {
		return "", "", false
	}
	local, domain = address[:i], strings.ToLower(strings.TrimSuffix(address[i+1:], "."))
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil && strings.ContainsFunc(domain, func(r rune) bool { return r > 0x7f }) {
		domain = ascii
	}
	return local, domain, !strings.ContainsFunc(local, unfit) && validHost(domain) && strings.Contains(domain, ".")
}

func unfit(r rune) bool { return r <= ' ' || r == 0x7f }

// validHost accepts names of letters, digits, hyphens and dots (RFC 1123), in
// the ASCII form.
func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
	}
	return true
}
