package autoconf

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
)

// Guess tries usual names of the domain with TLS from the start, and returns
// the first with a certificate for that name that greets as a POP3 server
// does. Nothing is sent to it. ErrNotFound: none does.
func (c *Client) Guess(ctx context.Context, address string) (*Proposal, error) {
	local, domain, ok := Split(address)
	if !ok {
		return nil, ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	for _, prefix := range []string{"pop.", "pop3.", "mail.", ""} {
		host := prefix + domain
		c.progress(host + " port 995")
		if c.greets(ctx, host) {
			return &Proposal{Source: "a guess: it answers as a POP3 server", Host: host, Port: 995, User: local + "@" + domain}, nil
		}
	}
	return nil, ErrNotFound
}

func (c *Client) greets(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	dial := c.Dial
	if dial == nil {
		dial = new(tls.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(host, "995"))
	if err != nil {
		return false
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(conn, 512)).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "+OK")
}
