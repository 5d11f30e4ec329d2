package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// Cause says why a request has no answer.
type Cause uint8

const (
	// CauseOther: the context ended.
	CauseOther Cause = iota
	// Unreachable: no connection could be made; TLS and proxies belong to it, and the
	// reason is wrapped. Untrusted: the server's certificate is not trusted.
	Unreachable
	Untrusted
	// Lost: the connection broke. Silent: nothing was sent or received in time.
	Lost
	Silent
	// NotHTTP: what answered speaks another protocol. TooLong: the answer has more octets
	// than any that was expected.
	NotHTTP
	TooLong
	// NoLogin: there is no token or password to send; the reason is wrapped.
	NoLogin
)

// Error says that a request has no answer.
type Error struct {
	Cause Cause
	// Sent: the whole request was handed to the connection. The server may have acted on it.
	Sent bool
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }

// Class is what it means for a delivery that is certain not to have happened.
func (e *Error) Class() deliver.Class {
	var passing interface{ Temporary() bool }
	switch {
	case e.Cause == CauseOther:
		return deliver.Later
	case e.Cause == Untrusted, e.Cause == NoLogin && !(errors.As(e.Err, &passing) && passing.Temporary()):
		return deliver.Denied
	}
	return deliver.Unavailable
}

// dialError is an error of Options.Dial or DialTLS.
type dialError struct{ error }

func marked(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, dialError{err}
		}
		return conn, nil
	}
}

// noLogin is the error of a token or a password that cannot be had.
func (c *Client) noLogin(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &Error{Err: fmt.Errorf("%s: login: %w (%w)", c.o.Name, err, ctx.Err())}
	}
	return &Error{Cause: NoLogin, Err: fmt.Errorf("%s: login: %w", c.o.Name, err)}
}

// failed is the error of a request without an answer. net/http's own may quote what
// the server said, and so what we sent.
func (c *Client) failed(w *watcher, err error, auth string) error {
	e := &Error{Cause: Lost, Sent: w.sent.Load(), Err: err}
	var dial dialError
	switch {
	case errors.Is(context.Cause(w.ctx), errSilent):
		e.Cause, e.Err = Silent, errSilent
	case errors.As(err, &dial):
		e.Cause, e.Sent, e.Err = Unreachable, false, dial.error
		if errors.As(dial.error, new(*tls.CertificateVerificationError)) {
			e.Cause = Untrusted
		}
	case w.ctx.Err() != nil:
		e.Cause, e.Err = CauseOther, w.ctx.Err()
	case errors.Is(err, errTooLong):
		e.Cause = TooLong
	case strings.Contains(err.Error(), "malformed"):
		e.Cause = NotHTTP
		fallthrough
	default:
		e.Err = errors.New(c.hide(err.Error(), auth))
	}
	e.Err = fmt.Errorf("%s: %w", c.o.Name, e.Err)
	c.trace(false, "%s", e.Err)
	return e
}

// hide takes the secrets out of a text, that of auth with the word that it may begin with.
func (c *Client) hide(text, auth string) string {
	if c.o.Hide != nil {
		text = c.o.Hide(text)
	}
	if auth == "" {
		return text
	}
	_, secret, _ := strings.Cut(auth, " ")
	for _, s := range []string{auth, secret} {
		if s != "" {
			text = strings.ReplaceAll(text, s, "****")
		}
	}
	return text
}

// maxPause bounds how long a server can ask us to wait.
const maxPause = 24 * time.Hour

// Pause is how long the server wants no further request: Retry-After in seconds or as
// a date (RFC 9110 section 10.2.3), by the server's clock. Zero: it does not say.
func (a *Answer) Pause() time.Duration {
	value := strings.TrimSpace(a.Header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(value, 64); err == nil && n > 0 {
		return time.Duration(min(n, maxPause.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		now = a.at
	}
	return max(0, min(at.Sub(now), maxPause))
}
