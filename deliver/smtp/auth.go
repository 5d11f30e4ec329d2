package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/mailhaul/mailhaul/deliver"
)

// maxCommand is the longest command line without CRLF (RFC 5321 section
// 4.5.3.1.4). A longer initial response waits for the challenge (RFC 4954
// section 4).
const maxCommand = 510

// private reports whether the password may be sent: nobody can read it on the
// way, or the user says so.
func (c *conn) private() bool {
	if c.tls || c.o.Insecure || c.o.Network == "unix" {
		return true
	}
	addr, ok := c.nc.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// login authenticates with PLAIN, else LOGIN.
func (c *conn) login(ctx context.Context) *deliver.Error {
	if !c.private() {
		return c.o.failure(deliver.CannotCreate, "AUTH", errors.New("refusing to send the password without TLS"), Insecure)
	}
	mech := mechanism(c.ext["AUTH"])
	if mech == "" {
		return c.o.failure(deliver.Unavailable, "AUTH", errors.New("relay offers neither PLAIN nor LOGIN"), NoLogin)
	}
	var password string
	if c.o.Password != nil {
		var err error
		if password, err = c.o.Password(ctx); err != nil {
			return c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
		}
	}
	var m sasl.Client
	if mech == sasl.Plain {
		m = sasl.NewPlainClient("", c.o.User, password)
	} else {
		m = sasl.NewLoginClient(c.o.User, password)
	}
	r, err := c.authenticate(m)
	if err != nil || r.code == 235 {
		return err
	}
	if password != "" && strings.Contains(strings.Join(r.lines, "\n"), password) {
		r.lines = []string{"(reply repeats the password)"}
	}
	return c.refused(phaseAuth, "", r)
}

// mechanism picks from the parameters of AUTH.
func mechanism(offered string) string {
	best := ""
	for _, m := range strings.Fields(strings.ToUpper(offered)) {
		if m == sasl.Plain {
			return m
		}
		if m == sasl.Login {
			best = m
		}
	}
	return best
}

// authenticate runs the exchange and returns the reply that ends it.
func (c *conn) authenticate(m sasl.Client) (reply, *deliver.Error) {
	mech, ir, err := m.Start()
	if err != nil {
		return reply{}, c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
	}
	line := "AUTH " + mech + " " + base64.StdEncoding.EncodeToString(ir)
	held := len(line) > maxCommand
	if held {
		line = "AUTH " + mech
	}
	for {
		r, derr := c.command(phaseAuth, line)
		if derr != nil || r.code != 334 {
			return r, derr
		}
		resp := ir
		if !held {
			resp, err = next(m, r)
		}
		held = false
		if err != nil {
			_, _ = c.command(phaseAuth, "*") // RFC 4954 section 4
			return reply{}, c.o.failure(deliver.Unavailable, "AUTH", err, CauseOther)
		}
		line = base64.StdEncoding.EncodeToString(resp)
	}
}

// next answers a challenge.
func next(m sasl.Client, r reply) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.lines[0]))
	if err != nil {
		return nil, fmt.Errorf("%w: challenge is not base64", errProtocol)
	}
	return m.Next(challenge)
}
