package pop3

import (
	"context"
	"net"
)

// Dial connects (IPv6 and IPv4 raced as net.Dialer does), sets up TLS as
// s.Security says, reads the greeting and asks for the capabilities. The
// error is a *DialError, *TLSError, *ConnError, *ProtocolError, *CapaError, or
// an *Error for a greeting or STLS that was refused.
func Dial(ctx context.Context, s *Server) (*Client, error) {
	conn, err := Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return NewClient(ctx, conn, s)
}

// Connect is the first step of Dial, for another protocol than POP3. The error is
// a *DialError.
func Connect(ctx context.Context, s *Server) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connectTimeout())
	defer cancel()
	address := s.Address()
	dial := s.Dial
	if dial == nil {
		if err := lookup(ctx, s); err != nil {
			return nil, newDialError(ctx, address, err)
		}
		dial = new(net.Dialer).DialContext
	}
	var conn net.Conn
	err := s.step("tcp", func() (err error) {
		if conn, err = dial(ctx, "tcp", address); err != nil {
			return newDialError(ctx, address, err)
		}
		return nil
	})
	return conn, err
}

// lookup resolves the name for the report of Server.Step; the dialer does its
// own look-up.
func lookup(ctx context.Context, s *Server) error {
	if s.Step == nil || net.ParseIP(s.Host) != nil {
		return nil
	}
	return s.step("dns", func() error {
		_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.Host)
		return err
	})
}

// NewClient is Dial from the point where TCP (or a tunnel) is connected: it
// does the TLS handshake if s.Security is ImplicitTLS, and STLS if it is that.
// It owns conn, and closes it if it fails.
func NewClient(ctx context.Context, conn net.Conn, s *Server) (*Client, error) {
	c := &Client{dialogue: dialogue{s: s}, sizes: s.Sizes}
	c.w.init(conn, s)
	if err := c.run(ctx, func() error { return c.open(ctx) }); err != nil {
		_ = conn.Close() // the error that matters is err
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	if c.s.Security == ImplicitTLS {
		if err := c.s.step("tls", func() error { return c.handshake(ctx) }); err != nil {
			return err
		}
	}
	if err := c.kpop(ctx); err != nil {
		return err
	}
	if err := c.s.step("greeting", c.greet); err != nil {
		return err
	}
	if err := c.askCapa(); err != nil {
		return err
	}
	if c.s.Security == STLS {
		if err := c.s.step("stls", func() error { return c.stls(ctx) }); err != nil {
			return err
		}
		if err := c.askCapa(); err != nil {
			return err
		}
	}
	if err := c.sendUTF8(); err != nil {
		return err
	}
	return c.setLanguage()
}

// greet reads the greeting (RFC 1939 section 4).
func (c *Client) greet() error {
	line, err := c.reply("greeting", 0, maxStatus, c.s.connectTimeout())
	if err != nil {
		return err
	}
	c.w.replies-- // it answers no command
	if text, ok := cutPrefixFold(line, "+OK"); ok {
		c.greeting = string(text)
		return nil
	}
	if text, ok := cutPrefixFold(line, "-ERR"); ok {
		return c.broken(newError("greeting", text))
	}
	return c.garbled("greeting", "not a POP3 greeting", line)
}

// setLanguage asks for the language of the server's texts (RFC 6856 section 3).
// A refusal changes nothing but what people read.
func (c *Client) setLanguage() error {
	if c.s.Lang == "" || !c.caps.Has("LANG") || lineSafe("language", c.s.Lang) != nil {
		return nil
	}
	if _, err := c.command("LANG " + c.s.Lang); c.err != nil {
		return err
	}
	return nil
}
