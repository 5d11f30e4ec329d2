package autoconf

import (
	"context"
	"errors"
	"net"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func (c *Client) resolver() Resolver {
	if c.Resolver != nil {
		return c.Resolver
	}
	return net.DefaultResolver
}

// exchanger looks in the places of the domain of the mail exchanger: a domain
// whose mail is hosted has no settings file of its own.
func (c *Client) exchanger(ctx context.Context, who person) (*Proposal, error) {
	domain, err := c.Exchanger(ctx, who.domain)
	if err != nil {
		return nil, err
	}
	if domain == who.domain {
		return nil, ErrNotFound
	}
	var last error = ErrNotFound
	for _, place := range c.files(domain) {
		c.progress(place.name)
		p, err := place.ask(ctx, who)
		if p != nil {
			p.Foreign = true // the unsigned MX record led here
			return p, nil
		}
		if !errors.Is(err, ErrNotFound) {
			last = err
		}
	}
	return nil, last
}

// Exchanger returns the registered domain of the first mail exchanger of a
// domain, in lower case: who hosts its mail.
func (c *Client) Exchanger(ctx context.Context, domain string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := c.resolver().LookupMX(ctx, domain)
	if err != nil || len(list) == 0 {
		return "", notFound(err)
	}
	host := strings.ToLower(strings.TrimSuffix(list[0].Host, "."))
	if !validHost(host) {
		return "", ErrNotFound // a null MX (RFC 7505) too
	}
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return "", ErrNotFound
	}
	return registered, nil
}

// srv looks for the services of RFC 6186 section 3.3; pop3s (RFC 8314) wins.
func (c *Client) srv(ctx context.Context, who person) (*Proposal, error) {
	var last error = ErrNotFound
	for _, service := range []struct {
		name string
		tls  TLS
	}{{"pop3s", Implicit}, {"pop3", STLS}} {
		p, err := c.service(ctx, service.name, who)
		if p != nil {
			p.TLS = service.tls
			return p, nil
		}
		if !errors.Is(err, ErrNotFound) {
			last = err
		}
	}
	return nil, last
}

func (c *Client) service(ctx context.Context, name string, who person) (*Proposal, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, list, err := c.resolver().LookupSRV(ctx, name, "tcp", who.domain)
	if err != nil || len(list) == 0 {
		return nil, notFound(err)
	}
	host := strings.ToLower(strings.TrimSuffix(list[0].Target, "."))
	if host == "" || list[0].Port == 0 || !validHost(host) { // "." says: not offered
		return nil, ErrNotFound
	}
	return &Proposal{
		Source: "the DNS: _" + name + "._tcp." + who.domain,
		Host:   host,
		Port:   int(list[0].Port),
		User:   who.address, // RFC 6186 section 4: the address first
		// Someone who can forge a DNS answer could redirect the password.
		Foreign: host != who.domain && !strings.HasSuffix(host, "."+who.domain),
	}, nil
}

// notFound distinguishes "there is no record" from "no server could be queried".
func notFound(err error) error {
	var dns *net.DNSError
	if err == nil || errors.As(err, &dns) && dns.IsNotFound {
		return ErrNotFound
	}
	return err
}
