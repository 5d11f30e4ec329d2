package pop3

import (
	"context"
	"errors"
	"time"
)

// Quit ends the session: the server now deletes what was marked (RFC 1939
// section 6). A *QuitError means that it may not have deleted all of it; a
// broken connection leaves that open too. The client is closed in any case.
func (c *Client) Quit(ctx context.Context) error {
	return c.run(ctx, func() error {
		c.quitAt = c.w.queued + 1
		c.send("QUIT", "QUIT")
		return c.readQuit()
	})
}

// QuitSent reports whether QUIT may have reached the server. If not, the server
// deletes nothing.
func (c *Client) QuitSent() bool { return c.quitAt > 0 && c.w.handed >= c.quitAt }

// maxQuitWait is the longest wait for the reply to QUIT, unless Server.Idle is
// longer.
const maxQuitWait = 10 * time.Minute

// quitWait is how long the reply to QUIT may be silent after so many deletions:
// many servers carry them out before they answer, some roll them back if the
// client does not wait, and at no other command are they as slow.
func quitWait(idle time.Duration, deletions int) time.Duration {
	if deletions == 0 {
		return idle
	}
	return max(idle, min(3*idle+time.Duration(deletions)*time.Second/2, maxQuitWait))
}

func (c *Client) readQuit() error {
	err := c.awaitQuit()
	if err == nil {
		_, err = c.status("QUIT", 0)
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		err = &QuitError{Err: refused}
	}
	_ = c.Close() // nothing else is due
	return err
}

// awaitQuit waits for the first octet of the reply.
func (c *Client) awaitQuit() error {
	wait := quitWait(c.w.idle, c.marked)
	c.w.await(wait, false)
	if c.w.buffered() > 0 {
		return nil
	}
	err := c.w.fill()
	if err == nil {
		return nil
	}
	err = c.failed("QUIT", err)
	var conn *ConnError
	if errors.As(err, &conn) && errors.Is(conn.Err, errIdleTime) {
		conn.waited = wait
	}
	return err
}

// Noop keeps the session alive (NOOP): servers end one that is idle for ten
// minutes (RFC 1939 section 3), some much sooner.
func (c *Client) Noop(ctx context.Context) error { return c.simple(ctx, "NOOP") }

// Reset removes all deletion marks (RSET).
func (c *Client) Reset(ctx context.Context) error {
	err := c.simple(ctx, "RSET")
	if err == nil {
		c.marked = 0
	}
	return err
}

func (c *Client) simple(ctx context.Context, line string) error {
	return c.run(ctx, func() error {
		_, err := c.command(line)
		return err
	})
}
