package pop3

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	maxCapaOctets = 64 << 10
	maxCapaLines  = 500
)

// Capabilities is what CAPA announced (RFC 2449 section 5): names in upper
// case, each with its arguments, escaped. Nil means that it is not known.
type Capabilities map[string][]string

// Known reports whether the server answered CAPA at all.
func (c Capabilities) Known() bool { return c != nil }

// Has reports whether name ("PIPELINING", "TOP") was announced.
func (c Capabilities) Has(name string) bool {
	_, ok := c[name]
	return ok
}

// Mechanisms are the announced SASL mechanisms, in upper case.
func (c Capabilities) Mechanisms() []string { return c["SASL"] }

// Implementation is the server's name for itself (RFC 2449 section 6.9).
func (c Capabilities) Implementation() string { return strings.Join(c["IMPLEMENTATION"], " ") }

// LoginDelay is the least time between two logins (RFC 2449 section 6.5).
// PerUser means that it is known only after the login. Zero: not announced.
func (c Capabilities) LoginDelay() (delay time.Duration, perUser bool) {
	args := c["LOGIN-DELAY"]
	if len(args) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n > 1<<30 {
		return 0, false
	}
	return time.Duration(n) * time.Second, len(args) > 1 && strings.EqualFold(args[1], "USER")
}

// Expire is the number of days that the server keeps mail (RFC 2449 section
// 6.7); false if it keeps mail for ever or does not announce it. Zero days mean
// nothing: Gmail announces them and keeps everything.
func (c Capabilities) Expire() (days int, ok bool) {
	args := c["EXPIRE"]
	if len(args) == 0 {
		return 0, false
	}
	days, err := strconv.Atoi(args[0])
	return days, err == nil && days >= 0
}

// parseCapa adds one line of a CAPA reply.
func (c Capabilities) parseCapa(line []byte) {
	fields := bytes.Fields(line)
	if len(fields) == 0 || len(line) > 1<<10 || len(c) >= maxCapaLines {
		return
	}
	name := strings.ToUpper(escape(fields[0]))
	args := make([]string, 0, len(fields)-1)
	for _, f := range fields[1:] {
		arg := escape(f)
		if name == "SASL" {
			arg = strings.ToUpper(arg)
		}
		args = append(args, arg)
	}
	c[name] = append(c[name], args...)
}

// Capa asks for the capabilities again. Dial, Login and List do so where they
// may have changed (RFC 2449 section 5), so few callers need it.
func (c *Client) Capa(ctx context.Context) (Capabilities, error) {
	err := c.run(ctx, func() error {
		c.send("CAPA", "CAPA")
		return c.readCapa()
	})
	if err == nil && c.capaErr != nil {
		err = c.capaErr
	}
	return c.caps, err
}

// askCapa is CAPA as a step of opening a session.
func (c *Client) askCapa() error {
	c.caps, c.capaErr = nil, nil // what was announced before STLS does not count
	if c.s.NoCapa {
		return nil
	}
	return c.s.step("capa", func() error {
		c.send("CAPA", "CAPA")
		return c.readCapa()
	})
}

// readCapa reads the reply to CAPA. A refusal is kept in capaErr and is no error,
// since RFC 1939 alone has no CAPA; the capabilities stay as they were.
func (c *Client) readCapa() error {
	c.capaErr = nil
	_, err := c.status("CAPA", 0)
	if _, refused := errors.AsType[*Error](err); refused {
		c.capaErr = &CapaError{Err: err}
		c.s.announced(nil)
		return nil
	}
	caps := make(Capabilities)
	lines := []string{}
	if err == nil {
		err = c.lines("CAPA", maxCapaOctets, func(line []byte) {
			caps.parseCapa(line)
			if c.s.Trace != nil {
				c.trace(false, escape(line))
			}
			if c.s.Announced != nil {
				lines = append(lines, escape(line))
			}
		})
	}
	var conn *ConnError
	switch {
	case errors.As(err, &conn) && c.w.cancelled.Load() == nil:
		c.err = &CapaError{Err: conn} // later calls return what the server could not bear
		return c.err
	case err != nil:
		return err
	}
	c.caps = caps
	c.s.announced(lines)
	return nil
}

func (s *Server) announced(lines []string) {
	if s.Announced != nil {
		s.Announced(lines)
	}
}
