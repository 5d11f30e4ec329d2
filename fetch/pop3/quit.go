package pop3

import (
	"context"
	"errors"
)

// Quit ends the session: the server now deletes what was marked (RFC 1939
// section 6). A *QuitError means that it may not have deleted all of it; a
// broken connection leaves that open too. The client is closed in any case.
func (c *Client) Quit(ctx context.Context) error {
	return c.run(ctx, func() error {
		c.send("QUIT", "QUIT")
		return c.readQuit()
	})
}

func (c *Client) readQuit() error {
	_, err := c.status("QUIT", 0)
	var refused *Error
	if errors.As(err, &refused) {
		err = &QuitError{Err: refused}
	}
	_ = c.Close() // all that matters was said
	return err
}

// Noop keeps the session alive (NOOP): servers end one that is idle for ten
// minutes (RFC 1939 section 3), some much sooner.
func (c *Client) Noop(ctx context.Context) error { return c.simple(ctx, "NOOP") }

// Reset takes back all deletion marks (RSET).
func (c *Client) Reset(ctx context.Context) error { return c.simple(ctx, "RSET") }

func (c *Client) simple(ctx context.Context, line string) error {
	return c.run(ctx, func() error {
		_, err := c.command(line)
		return err
	})
}
