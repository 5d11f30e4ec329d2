package pop3

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// dialogue sends commands and reads their replies. After an error that ends the
// session every call returns that error.
type dialogue struct {
	s *Server
	w wire

	err     error        // once set, what every call returns
	caps    Capabilities // what the last CAPA announced
	utf8    utf8State
	hide    []string // secrets in use: never repeated from a server's text
	single  bool     // see OneAtATime
	listing bool     // several commands of a listing are sent at once
	base    int      // wire.replies when the current pipeline began
}

// Flights is the number of times that a reply had to be waited for after
// something was sent: the round trips of POP3 itself, without TCP and TLS.
func (d *dialogue) Flights() int { return d.w.flights }

// Pipelining reports whether commands are sent ahead of their replies.
func (d *dialogue) Pipelining() bool {
	switch {
	case d.single, d.s.Pipelining == PipelineOff:
		return false
	case d.s.Pipelining == PipelineOn:
		return true
	}
	return d.caps.Has("PIPELINING")
}

// OneAtATime makes the client send each command only when the one before was
// answered, whatever the server announces; or, when on is false, as before.
func (d *dialogue) OneAtATime(on bool) { d.single = on }

// run runs an exported call: it ends with the context, and fails once the session
// is over.
func (d *dialogue) run(ctx context.Context, f func() error) error {
	if d.err != nil {
		return d.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	release := d.w.watch(ctx)
	defer release()
	return f()
}

// broken records err as the end of the client and returns what every call
// returns from now on.
func (d *dialogue) broken(err error) error {
	if d.err == nil {
		d.err = err
		_ = d.w.raw.Close() // frees the server's lock; the session is over either way
	}
	return d.err
}

// failed adds the command to an error of the wire and ends the session.
func (d *dialogue) failed(command string, err error) error {
	switch {
	case d.err != nil:
		return d.err
	case errors.Is(err, errLineTooLong), errors.Is(err, errBodyTooLong), errors.Is(err, errUnsolicited):
		return d.broken(&ProtocolError{Command: command, Problem: err.Error()})
	}
	if isAlert(err) {
		return d.broken(newTLSError(d.s.clientTLS().ServerName, err))
	}
	return d.broken(&ConnError{Command: command, Err: err})
}

// garbled ends the session over a malformed reply.
func (d *dialogue) garbled(command, problem string, text []byte) error {
	return d.broken(&ProtocolError{Command: command, Problem: problem, Text: d.clean(text)})
}

// clean escapes a server's text, without the secret in use.
func (d *dialogue) clean(text []byte) string { return escape(d.scrub(text)) }

// scrub removes the secrets in use, which some servers repeat in a refusal. A
// very short one is left in place: its absence would reveal more than its presence.
func (d *dialogue) scrub(text []byte) []byte {
	for _, secret := range d.hide {
		if len(secret) >= 3 {
			text = bytes.ReplaceAll(text, []byte(secret), []byte("****"))
		}
	}
	return text
}

// send queues one command line. Shown is what the trace shows instead, if the
// line holds a secret.
func (d *dialogue) send(line, shown string) {
	d.w.queue([]byte(line))
	d.trace(true, shown)
}

func (d *dialogue) trace(sent bool, line string) {
	if d.s.Trace != nil {
		d.s.Trace(sent, line)
	}
}

// status reads one status line. The text after +OK is valid until the next
// read. An -ERR is an *Error, every other line ends the session.
func (d *dialogue) status(name string, num int) ([]byte, error) {
	return d.statusWithin(name, num, d.w.idle)
}

// statusWithin is status with its own time limit.
func (d *dialogue) statusWithin(name string, num int, wait time.Duration) ([]byte, error) {
	line, err := d.reply(name, num, maxStatus, wait)
	if err != nil {
		return nil, err
	}
	if text, ok := cutPrefixFold(line, "+OK"); ok {
		return text, nil
	}
	if text, ok := cutPrefixFold(line, "-ERR"); ok {
		return nil, newError(label(name, num), d.scrub(text))
	}
	rejected := d.pipelineRejected()
	err = d.garbled(label(name, num), "neither +OK nor -ERR", line)
	markPipelined(err, rejected)
	return nil, err
}

// maxEmpty is how many empty lines may precede a reply. Some servers send one now
// and then, and most clients skip it; no reply is empty.
const maxEmpty = 16

// reply reads one line that answers a command. It skips empty lines before it,
// within the same time limit.
func (d *dialogue) reply(name string, num, limit int, wait time.Duration) ([]byte, error) {
	if d.utf8 == utf8Sent {
		if err := d.readUTF8(); err != nil {
			return nil, err
		}
	}
	d.w.await(wait, false)
	line, err := d.w.line(limit)
	for n := 0; err == nil && len(line) == 0 && n < maxEmpty; n++ {
		line, err = d.w.line(limit)
	}
	if err != nil {
		rejected := d.pipelineRejected() && d.w.buffered() == 0 && d.w.cancelled.Load() == nil
		err = d.failed(label(name, num), err)
		markPipelined(err, rejected)
		return nil, err
	}
	d.w.replies++
	if d.utf8 == utf8Ahead {
		d.utf8 = utf8On
	}
	if d.s.Trace != nil {
		d.trace(false, d.clean(redactReply(line)))
	}
	return line, nil
}

// pipelineRejected reports whether the server seems to reject pipelining: of several
// pipelined commands at most one was answered, or not all of a listing.
func (d *dialogue) pipelineRejected() bool {
	return d.utf8 == utf8Ahead || d.listing || d.w.queued-d.w.replies >= 2 && d.w.replies-d.base <= 1
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
func (d *dialogue) command(line string) ([]byte, error) {
	name, _, _ := strings.Cut(line, " ")
	d.send(line, escape(line))
	return d.status(name, 0)
}

// redactReply hides a SASL challenge: it may help an attack on the secret.
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
	return bytes.TrimLeft(line[len(prefix):], " "), true
}

// lines reads the rest of a multi-line reply and calls f for each line, which is
// valid until f returns. More than limit octets end the session.
func (d *dialogue) lines(name string, limit int64, f func(line []byte)) error {
	d.w.await(d.w.idle, true)
	var total int64
	n := 0
	for ; ; n++ {
		line, err := d.w.line(maxStatus)
		if err != nil {
			return d.failed(name, err)
		}
		if len(line) > 0 && line[0] == '.' {
			if line = line[1:]; len(line) == 0 {
				break
			}
		}
		if total += int64(len(line)) + 2; total > limit {
			return d.garbled(name, "reply is endless, or longer than "+strconv.FormatInt(limit, 10)+" octets", nil)
		}
		f(line)
	}
	if d.s.Trace != nil {
		d.trace(false, "("+strconv.Itoa(n)+" lines, "+strconv.FormatInt(total, 10)+" octets)")
	}
	return nil
}

// maxShown is how much of a server's text an error or a trace line repeats.
const maxShown = 300

// escape makes foreign text safe for a terminal and a log: what does not
// print becomes an escape sequence of Go, and what is long is cut.
func escape[T string | []byte](text T) string {
	cut := ""
	if len(text) > maxShown {
		text, cut = text[:maxShown], "..."
	}
	q := strconv.Quote(string(text))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}
