package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
)

// noAnswer is os.ErrDeadlineExceeded in words for a person.
type noAnswer struct{}

func (noAnswer) Error() string { return "no answer in time" }
func (noAnswer) Unwrap() error { return os.ErrDeadlineExceeded }

// lost is the error of a connection that cannot be used any more.
func (c *conn) lost(p phase, err error) *deliver.Error {
	c.dead = true
	c.closed = c.closed || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	class, cause := classifyLost(p), Lost
	switch {
	case c.interrupted():
		class, err = deliver.Later, fmt.Errorf("interrupted: %w", context.Canceled)
	case errors.Is(err, io.EOF):
		err = errors.New("connection closed by the relay")
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = noAnswer{}
	case errors.Is(err, errProtocol):
		cause = NotSMTP
	}
	if p == phaseDot {
		err = fmt.Errorf("%w; the message may have been delivered", err)
		cause = InDoubt
	}
	return c.o.failure(class, p.String(), err, cause)
}

// refused is the error of a reply that says no. A reply that says neither yes
// nor no in its phase is a broken protocol.
func (c *conn) refused(p phase, r reply) *deliver.Error {
	if r.code < 400 {
		return c.lost(p, fmt.Errorf("%w: reply %s", errProtocol, r))
	}
	f := refusal{p, r}
	err := c.o.failure(f.class(false), p.String(), errors.New(r.String()), f.cause())
	err.Refused = p >= phaseMail
	return err
}

// failure is an error in this package's form: "smtp HOST:PORT: stage: cause".
func (o *Options) failure(class deliver.Class, stage string, err error, cause Cause) *deliver.Error {
	if stage != "" {
		err = fmt.Errorf("%s: %w", stage, err)
	}
	return &deliver.Error{Class: class, Err: &Error{cause, fmt.Errorf("%s: %w", o.name(), err)}}
}

// phase is how far a transaction got.
type phase uint8

const (
	phaseConnect phase = iota
	phaseGreeting
	phaseHello
	phaseTLS
	phaseAuth
	phaseMail
	phaseRcpt
	phaseData
	phaseBody // the message, until the final dot has been written
	phaseDot  // from then until the reply
)

func (p phase) String() string {
	return [...]string{"connect", "greeting", "EHLO", "STARTTLS", "AUTH",
		"MAIL", "RCPT", "DATA", "message", "reply to the message"}[p]
}

// classifyLost says what the loss of the connection means. Until DATA it is
// no matter of the message; while the message is sent it may be (a filter that
// crashes on it), so the queue must not stop there.
func classifyLost(p phase) deliver.Class {
	if p < phaseBody {
		return deliver.Unavailable
	}
	return deliver.Failed
}
