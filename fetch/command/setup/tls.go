package setup

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// tlsModes are in the order of the values of a server's Security.
var tlsModes = []string{"implicit", "stls", "none"}

// trusted is whom a server's certificate has to be from: this system's authorities if
// it is zero.
type trusted struct {
	caFile string // absolute
	pin    string
}

// and adds it to the keys of a server.
func (t *trusted) and(m config.Map) config.Map {
	if t.caFile != "" {
		m = m.And("ca_file", config.PathText(t.caFile))
	}
	if t.pin != "" {
		m = m.And("pin", t.pin)
	}
	return m
}

// trust says whom the server's certificate has to be from.
func (t *trusted) trust(mode string) string {
	switch {
	case mode == "none":
		return ""
	case t.pin != "":
		return ", one key trusted"
	case t.caFile != "":
		return ", certificates in " + t.caFile + " trusted"
	}
	return ", authorities of this system trusted"
}

// tlsOf lets a person correct the TLS of a target.
func (p *person) tlsOf(m *mailbox, failed error) correction {
	r, s := &m.remote.Server, m.server()
	fault := advice.FaultUnknown
	if advice.OfTLS(failed) {
		fault = advice.FaultTarget
	}
	return correction{"change TLS of " + m.ID() + ": " + s.way() + m.trust(s.tls), fault, func(ctx context.Context) error {
		err := p.changeTLS(ctx, s, &m.trusted, failed)
		r.Port, r.Security = s.port, 0
		for tlsModes[r.Security] != s.tls {
			r.Security++
		}
		return err
	}}
}

// changeTLS asks how the connection begins, and whom the server's certificate
// has to be from; failed may have it.
func (p *person) changeTLS(ctx context.Context, s *server, t *trusted, failed error) error {
	modes := []string{s.tls}
	for _, m := range tlsModes {
		if m != s.tls && (m != "none" || config.Loopback(s.host)) {
			modes = append(modes, m)
		}
	}
	list := make([]string, len(modes))
	for i, m := range modes {
		list[i] = fmt.Sprintf("%s, usually on port %d", (&server{imap: s.imap, tls: m}).way(), s.usualPort(m))
	}
	n, err := p.Choose(ctx, "How is the connection secured?", list)
	if err != nil {
		return err
	}
	if s.port == s.usualPort(s.tls) {
		s.port = s.usualPort(modes[n])
	}
	if s.tls = modes[n]; s.tls == "none" {
		*t = trusted{}
		return nil
	}
	return p.changeTrust(ctx, t, failed)
}

func (p *person) changeTrust(ctx context.Context, t *trusted, failed error) error {
	const system, file, pin = 0, 1, 2
	n, err := p.Choose(ctx, "How is the certificate of the server verified?", []string{
		"by the authorities that this system trusts", "by the certificates in a file (ca_file)", "by the fingerprint of its key alone (pin)"})
	switch {
	case err != nil:
		return err
	case n == system:
		t.caFile, t.pin = "", ""
	case n == file:
		name, err := p.Line(ctx, "File", t.caFile, "--ca-file")
		if err == nil {
			name, err = config.Absolute(name)
		}
		if err == nil {
			_, err = config.Roots(name)
		}
		if err != nil {
			return err
		}
		t.caFile, t.pin = name, ""
	case n == pin:
		text, err := p.Line(ctx, "Fingerprint (compare it with what the owner of the server says)", cmp.Or(advice.PinOf(failed), t.pin), "")
		if err != nil {
			return err
		}
		t.caFile, t.pin = "", text
	}
	return nil
}
