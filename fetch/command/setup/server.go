package setup

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/autoconf"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// server is what is known of the server and of its provider.
type server struct {
	imap  bool // of a target; otherwise POP3
	host  string
	port  int
	tls   string
	user  string
	via   string             // how the server was found
	known provider.Provider  // zero: nothing is known
	found *autoconf.Proposal // nil if the server is from the own table or the person
}

// finder finds the server of an address.
type finder struct {
	*person
	server
	address string
}

// ask finds the server: as the person says, by the own table, or by what
// the provider publishes; and has it confirmed.
func (s *finder) ask(ctx context.Context) error {
	if s.o.Server != "" {
		if err := s.setServer(s.o.Server, s.o.TLS); err != nil {
			return exit.Usagef("--server: %w", err)
		}
		s.via = "as you said"
		s.known = s.knownServer()
		s.tell()
		return nil
	}
	if err := s.find(ctx); err != nil {
		return err
	}
	if s.known.NoPOP3 != "" {
		return exit.NoService(errors.New(s.known.NoPOP3))
	}
	if s.host == "" {
		s.say("No settings were found for %s.", s.address)
		return s.askOther(ctx)
	}
	s.tell()
	if s.Mute && s.found != nil && s.found.Foreign {
		return advice.Give(exit.Usage(errors.New(s.host+" is of another domain than the address, and only the unsigned DNS names it")), advice.ForeignServer(s.name()))
	}
	switch ok, err := s.Yes(ctx, "Use this server?"); {
	case err != nil:
		return err
	case !ok:
		return s.askOther(ctx)
	}
	return nil
}

// askOther has the person name the server. What is known of it is proposed.
func (s *finder) askOther(ctx context.Context) error {
	_, domain, _ := autoconf.Split(s.address)
	proposal, user := "", s.user
	if s.host != "" {
		proposal = s.name()
	}
	for {
		host, err := s.Line(ctx, "POP3 server (host or host:port)", proposal, "--server (no settings were found for this address)")
		if err != nil {
			return err
		}
		if err := s.setServer(host, s.o.TLS); err != nil {
			s.say("%s: %v (such as pop.%s)", term.Printable(host), err, domain)
			continue
		}
		s.via, s.found = "as you said", nil
		s.known = s.knownServer()
		s.user, err = s.Line(ctx, "User name", cmp.Or(user, s.user), "--user")
		return err
	}
}

// setServer takes the server from the person.
func (s *finder) setServer(server, mode string) error {
	err := s.set(server, mode)
	if err == nil {
		s.setUser(s.address)
	}
	return err
}

// set takes host or host:port. Without a mode the port decides.
func (s *server) set(server, mode string) error {
	host, port := server, ""
	if h, p, err := net.SplitHostPort(server); err == nil {
		host, port = h, p
	}
	s.host, s.tls = strings.ToLower(strings.Trim(host, "[]")), mode
	n, err := strconv.Atoi(port)
	switch {
	case s.host == "" || strings.ContainsAny(s.host, " /@\\"), strings.Contains(s.host, ":") && net.ParseIP(s.host) == nil:
		return errors.New("is not a host name")
	case port != "" && (err != nil || n < 1 || n > 65535):
		return errors.New("the port must be a number from 1 to 65535")
	}
	if s.tls == "" {
		s.tls = "implicit"
		if n == s.usualPort("stls") {
			s.tls = "stls"
		}
	}
	if s.port = n; n == 0 {
		s.port = s.usualPort(s.tls)
	}
	return nil
}

func (s *finder) setUser(user string) {
	if s.user = user; s.o.User != "" {
		s.user = s.o.User
	}
}

func (s *server) usualPort(mode string) int {
	implicit, other := 995, 110
	if s.imap {
		implicit, other = 993, 143
	}
	if mode == "implicit" {
		return implicit
	}
	return other
}

// server is host, or host:port if the port is not the usual one.
func (s *server) name() string {
	if s.port == s.usualPort(s.tls) {
		return s.host
	}
	return net.JoinHostPort(s.host, strconv.Itoa(s.port))
}

// way is how the connection is secured, for people.
func (s *server) way() string {
	switch {
	case s.tls == "implicit":
		return "TLS from the start"
	case s.tls == "none":
		return "no TLS"
	case s.imap:
		return "TLS by STARTTLS"
	}
	return "TLS by STLS"
}

// find looks the provider up, nearest first: what is known here needs no
// network, the mail exchanger one question to the DNS.
func (s *finder) find(ctx context.Context) error {
	_, domain, _ := autoconf.Split(s.address)
	if p := provider.OfDomain(domain); p != nil {
		s.useProvider(p, "known to mailhaul")
		return nil
	}
	if s.o.Offline {
		return nil
	}
	client, err := s.lookupClient()
	if err != nil {
		return err
	}
	defer client.Close()
	if client.Database == "" {
		if mx, err := client.Exchanger(ctx, domain); err == nil {
			if p := provider.OfExchanger(mx); p != nil {
				s.useProvider(p, "the domain's mail goes to "+mx)
				return nil
			}
		}
	}
	s.say("Looking up %s ...", domain)
	p, err := client.Lookup(ctx, s.address)
	if errors.Is(err, autoconf.ErrNotFound) && client.Database == "" && ctx.Err() == nil {
		p, err = client.Guess(ctx, s.address)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		s.say("%s", term.Printable(strings.ReplaceAll(err.Error(), "\n", "; ")))
		return nil
	}
	s.found, s.via = p, p.Source
	s.host, s.port, s.tls = p.Host, p.Port, "implicit"
	if p.TLS == autoconf.STLS {
		s.tls = "stls"
	}
	s.known = s.knownServer()
	s.setUser(p.User)
	return nil
}

func (s *finder) useProvider(p *provider.Provider, via string) {
	s.known, s.via, s.port, s.tls = *p, p.Name+", "+via, 995, "implicit"
	if p.STLS {
		s.port, s.tls = 110, "stls"
	}
	if len(p.Servers) > 0 {
		s.host = p.Servers[0]
	}
	s.setUser(p.User(s.address))
}

// knownServer is what is known of the server's provider: of those that share
// a server, the one of the address.
func (s *finder) knownServer() provider.Provider {
	_, domain, _ := autoconf.Split(s.address)
	if p := provider.OfDomain(domain); p != nil && slices.Contains(p.Servers, s.host) {
		return *p
	}
	if p := provider.OfServer(s.host); p != nil {
		return *p
	}
	return provider.Provider{}
}

// wishes are what a provider wants of people before the first login.
func wishes(p *provider.Provider) (lines []string) {
	if p.Enable != "" {
		lines = append(lines, "POP3 is off until it is switched on: "+p.Enable)
	}
	if p.Password != "" && !p.TokenOnly {
		lines = append(lines, "Password: "+p.Password)
	}
	if p.Note != "" {
		lines = append(lines, "Note: "+p.Note)
	}
	return lines
}

// lookupClient asks by the private authority too, if there is one.
func (s *finder) lookupClient() (*autoconf.Client, error) {
	c := &autoconf.Client{Database: s.o.ISPDB}
	if s.out.Verbose > 0 {
		c.Progress = func(place string) { s.say("  asking %s", place) }
	}
	if c.Database != "" && !strings.HasSuffix(c.Database, "/") {
		c.Database += "/"
	}
	if s.o.CAFile == "" {
		return c, nil
	}
	roots, err := config.Roots(s.o.CAFile)
	if err != nil {
		return nil, err
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.TLSClientConfig = &tls.Config{RootCAs: roots}
	c.HTTP = &http.Client{Transport: tr}
	return c, nil
}

// tell shows what was found, and what the provider wants of people.
func (s *finder) tell() {
	s.say("Server: %s, port %d, %s, user %s", term.Printable(s.host), s.port, s.way(), term.Printable(s.user))
	s.say("  (%s)", term.Printable(s.via))
	for _, line := range wishes(&s.known) {
		s.say("  %s", line)
	}
	if s.found == nil {
		return
	}
	for _, l := range s.found.Links {
		s.say("  %s %s", term.Printable(l.Text), l.URL)
	}
	if s.found.Foreign {
		s.say("  Take care: this server is of another domain than the address, and only the unsigned DNS names it.")
	}
}
