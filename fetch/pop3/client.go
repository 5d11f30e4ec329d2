package pop3

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Client is one session. It is made by Dial or NewClient, used by one
// goroutine, and ended by Quit (deletions take effect) or Close (they do not).
//
// A reply of -ERR is an *Error and the session goes on. After a *ConnError or
// *ProtocolError the connection is closed and every call returns that error
// again. When the context of a call ends, the connection is closed at once.
type Client struct {
	s *Server
	w wire

	err      error // once set, what every call returns
	tls      *tls.ConnectionState
	greeting string // text of the greeting, raw
	caps     Capabilities
	capaErr  *CapaError
	utf8     utf8State
	login    string
	strength uint8    // of the login
	hide     []string // secrets in use: never repeated from a server's text
	verified bool     // a STAT succeeded after the login
	noUIDL   error    // why the last List got no unique-ids
	report   ListReport
	stat     string     // what STAT said; empty if it is not known
	sizes    SizeRecord // see there
	retr     *retrieval // the last one
	single   bool       // see OneAtATime
	listing  bool       // several commands of a listing are sent at once
	base     int        // wire.replies when the pipeline at hand began
	marked   int        // messages marked for deletion
	quitAt   int        // which of the commands QUIT is; 0 if it was not queued
	scratch  []byte
}

// Greeting is the text of the greeting, escaped.
func (c *Client) Greeting() string { return escape(c.greeting) }

// Capabilities is what the last CAPA announced; nil if it is not known. The
// caller does not change it.
func (c *Client) Capabilities() Capabilities { return c.caps }

// CapaError is the refusal of the last CAPA, or nil.
func (c *Client) CapaError() *CapaError { return c.capaErr }

// TLS is the state of the connection's TLS, nil without it.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// LoginName is the name of the login that succeeded; empty before.
func (c *Client) LoginName() string { return c.login }

// LoginStrength is the Login.Strength of the login that succeeded.
func (c *Client) LoginStrength() uint8 { return c.strength }

// Flights is the number of times that a reply had to be waited for after
// something was sent: the round trips of POP3 itself, without TCP and TLS.
func (c *Client) Flights() int { return c.w.flights }

// Pipelining reports whether commands are sent ahead of their replies.
func (c *Client) Pipelining() bool {
	switch {
	case c.single, c.s.Pipelining == PipelineOff:
		return false
	case c.s.Pipelining == PipelineOn:
		return true
	}
	return c.caps.Has("PIPELINING")
}

// OneAtATime makes the client send each command only when the one before was
// answered, whatever the server announces; or, when on is false, as before.
func (c *Client) OneAtATime(on bool) { c.single = on }

// Close ends the session without QUIT: the server deletes nothing. It may be
// called more than once, and its error says nothing of value.
func (c *Client) Close() error {
	if c.err == nil {
		c.err = ErrClosed
	}
	return c.w.raw.Close()
}

// run is the frame of every exported call.
func (c *Client) run(ctx context.Context, f func() error) error {
	if c.err != nil {
		return c.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	release := c.w.watch(ctx)
	defer release()
	return f()
}

// broken records err as the end of the client and returns what every call
// returns from now on.
func (c *Client) broken(err error) error {
	if c.err == nil {
		c.err = err
		_ = c.w.raw.Close() // frees the server's lock; the session is over either way
	}
	return c.err
}

// failed names an error of the wire at a command, and breaks the client.
func (c *Client) failed(command string, err error) error {
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, errLineTooLong), errors.Is(err, errBodyTooLong), errors.Is(err, errUnsolicited):
		return c.broken(&ProtocolError{Command: command, Problem: err.Error()})
	}
	if isAlert(err) {
		return c.broken(newTLSError(c.s.clientTLS().ServerName, err))
	}
	return c.broken(&ConnError{Command: command, Err: err})
}

// garbled breaks the client over a reply that makes no sense.
func (c *Client) garbled(command, problem string, text []byte) error {
	return c.broken(&ProtocolError{Command: command, Problem: problem, Text: c.clean(text)})
}

// clean escapes a server's text, without the secret in use.
func (c *Client) clean(text []byte) string { return escape(c.scrub(text)) }

// scrub removes the secrets in use, which some servers repeat in a refusal. A
// very short one is let be: its absence would tell more than its presence.
func (c *Client) scrub(text []byte) []byte {
	for _, secret := range c.hide {
		if len(secret) >= 3 {
			text = bytes.ReplaceAll(text, []byte(secret), []byte("****"))
		}
	}
	return text
}

// send queues one command line. Shown is what the trace shows instead, if the
// line holds a secret.
func (c *Client) send(line, shown string) {
	c.w.queue([]byte(line))
	c.trace(true, shown)
}

func (c *Client) trace(sent bool, line string) {
	if c.s.Trace != nil {
		c.s.Trace(sent, line)
	}
}

// status reads one status line. The text after +OK is valid until the next
// read. An -ERR is an *Error, all else breaks the client.
func (c *Client) status(name string, num int) ([]byte, error) {
	return c.statusWithin(name, num, c.w.idle)
}

// statusWithin is status with a limit of its own for the wait.
func (c *Client) statusWithin(name string, num int, wait time.Duration) ([]byte, error) {
	line, err := c.reply(name, num, maxStatus, wait)
	if err != nil {
		return nil, err
	}
	if text, ok := cutPrefixFold(line, "+OK"); ok {
		return text, nil
	}
	if text, ok := cutPrefixFold(line, "-ERR"); ok {
		return nil, newError(label(name, num), c.scrub(text))
	}
	rejected := c.pipelineRejected()
	err = c.garbled(label(name, num), "neither +OK nor -ERR", line)
	markPipelined(err, rejected)
	return nil, err
}

// maxEmpty is how many empty lines may come before a reply. Some servers send
// one now and then, and most clients skip it; no reply is empty.
const maxEmpty = 16

// reply reads one line that answers a command. Empty lines before it are
// skipped, on the same clock.
func (c *Client) reply(name string, num, limit int, wait time.Duration) ([]byte, error) {
	if c.utf8 == utf8Sent {
		if err := c.readUTF8(); err != nil {
			return nil, err
		}
	}
	c.w.await(wait, false)
	line, err := c.w.line(limit)
	for n := 0; err == nil && len(line) == 0 && n < maxEmpty; n++ {
		line, err = c.w.line(limit)
	}
	if err != nil {
		rejected := c.pipelineRejected() && c.w.buffered() == 0 && c.w.cancelled.Load() == nil
		err = c.failed(label(name, num), err)
		markPipelined(err, rejected)
		return nil, err
	}
	c.w.replies++
	if c.utf8 == utf8Ahead {
		c.utf8 = utf8On
	}
	if c.s.Trace != nil {
		c.trace(false, c.clean(redactReply(line)))
	}
	return line, nil
}

// pipelineRejected: several commands were sent ahead and hardly one answered, or
// not all of a listing.
func (c *Client) pipelineRejected() bool {
	return c.utf8 == utf8Ahead || c.listing || c.w.queued-c.w.replies >= 2 && c.w.replies-c.base <= 1
}

func markPipelined(err error, rejected bool) {
	switch e := err.(type) {
	case *ConnError:
		e.pipelined = rejected
	case *ProtocolError:
		e.pipelined = rejected
	}
}

// command sends one command without secrets and reads its status line.
func (c *Client) command(line string) ([]byte, error) {
	name, _, _ := strings.Cut(line, " ")
	c.send(line, escape(line))
	return c.status(name, 0)
}

// redactReply hides a SASL challenge: it may hold what an attack on the
// secret needs.
func redactReply(line []byte) []byte {
	if len(line) > 2 && line[0] == '+' && line[1] == ' ' {
		return []byte("+ ****")
	}
	return line
}

func cutPrefixFold(line []byte, prefix string) ([]byte, bool) {
	if len(line) < len(prefix) || !strings.EqualFold(string(line[:len(prefix)]), prefix) {
		return nil, false
	}
	rest := line[len(prefix):]
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return rest, true
}

// lines reads the rest of a multi-line reply and calls f for each line, which
// is valid until f returns. More than limit octets break the client.
func (c *Client) lines(name string, limit int64, f func(line []byte)) error {
	c.w.await(c.w.idle, true)
	var total int64
	n := 0
	for ; ; n++ {
		line, err := c.w.line(maxStatus)
		if err != nil {
			return c.failed(name, err)
		}
		if len(line) > 0 && line[0] == '.' {
			if line = line[1:]; len(line) == 0 {
				break
			}
		}
		if total += int64(len(line)) + 2; total > limit {
			return c.garbled(name, "reply is endless, or longer than "+strconv.FormatInt(limit, 10)+" octets", nil)
		}
		f(line)
	}
	if c.s.Trace != nil {
		c.trace(false, "("+strconv.Itoa(n)+" lines, "+strconv.FormatInt(total, 10)+" octets)")
	}
	return nil
}
