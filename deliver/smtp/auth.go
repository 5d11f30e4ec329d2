package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
)

const (
	// maxCommand is the longest command line without CRLF (RFC 5321 section
	// 4.5.3.1.4). A longer initial response waits for the challenge (RFC 4954
	// section 4).
	maxCommand = 510
	// maxRounds bounds the challenges of one exchange.
	maxRounds = 32
)

// private reports whether a secret may be sent: nobody can read it on the
// way, or the user says so.
func (c *conn) private() bool {
	if c.tls != nil || c.o.Insecure || c.o.Network == "unix" {
		return true
	}
	addr, ok := c.nc.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// login authenticates with the strongest login that the relay has.
func (c *conn) login(ctx context.Context) *deliver.Error {
	offered := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	var derr *deliver.Error
	if c.used, derr = c.choose(offered); derr != nil {
		return derr
	}
	m, err := c.used.New(ctx, offered, c.tls)
	if err != nil {
		return c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
	}
	r, derr := c.authenticate(m)
	switch {
	case derr != nil:
		return derr
	case r.code == 235:
		if err := login.Complete(m); err != nil {
			return c.failed(err)
		}
		return nil
	}
	derr = c.refused(phaseAuth, r)
	if e, ok := errors.AsType[*Error](derr); ok {
		plain := e.Err
		e.Err = login.Explained(m, plain)
		c.told = e.Err != plain
	}
	return derr
}

// choose returns the first login that the relay announces and that is safe.
func (c *conn) choose(offered []string) (*login.Login, *deliver.Error) {
	insecure := false
	var names []string
	for i := range c.o.Logins {
		l := &c.o.Logins[i]
		names = append(names, l.Mechanism)
		switch {
		case !l.Named && !slices.Contains(offered, l.Mechanism):
		case l.Clear && !c.private():
			insecure = true
		default:
			return l, nil
		}
	}
	if insecure {
		return nil, c.o.failure(deliver.Denied, "AUTH", errors.New("refusing to send the password without TLS"), Insecure)
	}
	return nil, c.o.failure(deliver.Unavailable, "AUTH", fmt.Errorf("relay offers none of %s", strings.Join(names, ", ")), NoLogin)
}

// authenticate runs the exchange and returns the reply that ends it.
func (c *conn) authenticate(m login.Mechanism) (reply, *deliver.Error) {
	mech, ir, err := m.Start()
	if err != nil {
		return reply{}, c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
	}
	line := "AUTH " + mech
	held := ir != nil // the response that is there before the first challenge
	if full := line + " " + encode(ir, "="); held && len(full) <= maxCommand {
		line, held = full, false
	}
	sent := []string{encode(ir, "")}
	for range maxRounds {
		r, derr := c.command(phaseAuth, line)
		if derr != nil || r.code != 334 {
			return c.hiding(r, sent), derr
		}
		resp := ir
		if !held {
			resp, err = next(m, r)
		}
		if err != nil {
			_, _ = c.command(phaseAuth, "*") // RFC 4954 section 4
			return reply{}, c.failed(err)
		}
		held, line = false, encode(resp, "")
		sent = append(sent, line)
	}
	return reply{}, c.lost(phaseAuth, errProtocol)
}

// failed is the error of an exchange that ended on our side.
func (c *conn) failed(err error) *deliver.Error {
	if errors.Is(err, errProtocol) {
		return c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
	}
	return c.o.failure(deliver.Denied, "AUTH", err, LoginRefused)
}

// encode is base64, and empty for nothing (RFC 4954 section 4).
func encode(b []byte, empty string) string {
	if len(b) == 0 {
		return empty
	}
	return base64.StdEncoding.EncodeToString(b)
}

// hiding is a reply that does not repeat a secret of what was sent: the last word of a
// response, which is the password or the token.
func (c *conn) hiding(r reply, sent []string) reply {
	text := strings.Join(r.lines, "\n")
	for _, s := range sent {
		plain, _ := base64.StdEncoding.DecodeString(s)
		words := strings.FieldsFunc(string(plain), func(r rune) bool { return r <= ' ' })
		repeats := s != "" && strings.Contains(text, s)
		if n := len(words); n > 0 && words[n-1] != c.used.User {
			repeats = repeats || strings.Contains(text, words[n-1])
		}
		if repeats {
			r.lines = []string{"(reply repeats the password)"}
		}
	}
	return r
}

// next answers a challenge.
func next(m login.Mechanism, r reply) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.lines[0]))
	if err != nil {
		return nil, fmt.Errorf("%w: challenge is not base64", errProtocol)
	}
	return m.Next(challenge)
}
