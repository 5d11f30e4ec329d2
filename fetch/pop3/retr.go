package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// RetrieveFunc gets one message. If err is nil, body (a *Body) streams the message
// and is valid until the function returns; the client discards what is left
// unread. If err is an *Error, the server refused this message, body is nil, and
// the next one follows. An error of the function ends the whole Retrieve: every
// later call returns ErrAbandoned, unless no more replies are due. ErrEnough ends
// it and keeps the session usable.
type RetrieveFunc func(m Message, body io.Reader, err error) error

// Retrieve gets the messages in the order given (RETR), and calls fn for each
// from this goroutine. If the session is pipelined, commands run ahead by up
// to 1,000 messages, 16 KiB of commands and 16 MiB of bodies. A body of more
// than 4 times its listed size and 64 MiB (8 GiB if the size is unknown) is a
// *ProtocolError.
//
// A body ends with io.EOF only when the reply after it was read: to the next
// RETR, or to a STAT that Retrieve puts behind the last message and now and then
// between. Until Sure, a later reply may still show that replies are out of step
// with the commands. A refusal is reported only when it is certain, perhaps after
// later messages.
//
// Retrieve returns nil if all messages are whole, a *RetrieveError if the
// connection broke, else the error of fn.
func (c *Client) Retrieve(ctx context.Context, msgs []Message, fn RetrieveFunc) error {
	return c.run(ctx, func() error { return c.retrieve(msgs, fn) })
}

// Top is Retrieve for the header and the first lines of the body (TOP, RFC
// 1939 section 7). A server may refuse it, or send more or less than asked
// for.
func (c *Client) Top(ctx context.Context, msgs []Message, lines int, fn RetrieveFunc) error {
	return c.run(ctx, func() error { return c.tops(msgs, max(lines, 0), fn) })
}

func (c *Client) tops(msgs []Message, lines int, fn RetrieveFunc) error {
	// Octets that are here before a command is sent are no reply to it. Read as
	// the first reply they would shift all others by one: message 1 under the
	// UID of message 2.
	if c.w.queued == c.w.replies && c.w.unasked() {
		return c.failed("TOP", errUnsolicited)
	}
	const guess = 4 << 10
	return c.do(batch{
		n:       len(msgs),
		command: func(dst []byte, i int) []byte { return fmt.Appendf(dst, "TOP %d %d", msgs[i].Num, lines) },
		octets: func(i int) int64 {
			if msgs[i].Size < 0 || lines > 0 {
				return max(msgs[i].Size, guess)
			}
			return min(msgs[i].Size, guess)
		},
		reply: func(i int) error { return c.top(msgs[i], fn) },
	})
}

// top reads one reply and hands it to fn.
func (c *Client) top(m Message, fn RetrieveFunc) error {
	_, err := c.status("TOP", m.Num)
	if _, refused := errors.AsType[*Error](err); refused {
		if err := fn(m, nil, err); err != nil {
			return c.stop(err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	b := c.newBody("TOP", m)
	ferr := fn(m, b, nil)
	if err := c.rest(b, ferr); err != nil {
		return err
	}
	if ferr != nil {
		return c.stop(ferr)
	}
	return nil
}

func (c *Client) newBody(name string, m Message) *Body {
	c.w.await(c.w.idle, true)
	b := &Body{w: &c.w, lf: c.s.LF, bol: true, limit: maxBody(m.Size), m: Measure{Listed: plausible(m.Size), Announced: -1}}
	if name == "RETR" {
		b.sizes = &c.sizes
	}
	b.fail = func(err error) error { return c.failed(label(name, m.Num), err) }
	return b
}

// rest discards what fn did not read, unless fn ended the Retrieve while more
// replies are due. The body cannot be used after that.
func (c *Client) rest(b *Body, ferr error) error {
	defer func() { b.err = errBodyDone }()
	switch {
	case b.err == io.EOF:
		return nil
	case b.err != nil:
		return b.err
	case c.err != nil:
		return c.err
	case ferr != nil && c.w.queued > c.w.replies:
		return nil
	case ferr != nil:
		b.prove = nil // the caller decides what is sent next
	}
	if c.scratch == nil {
		c.scratch = make([]byte, 16<<10)
	}
	return b.discard(c.scratch)
}

const (
	absurd       = 1 << 40   // octets: a message is not so large, whatever LIST says
	firstRate    = 128 << 10 // octets a second that a scanner on the way reads at least
	maxFirstByte = 10 * time.Minute
)

// firstByte is how long to wait for the first line of a message of that size.
// Some servers, and scanners on the way, read all of it before they pass any on.
func firstByte(idle time.Duration, size int64) time.Duration {
	if size <= 0 || size > absurd {
		return idle
	}
	return idle + min(time.Duration(size/firstRate)*time.Second, maxFirstByte)
}
