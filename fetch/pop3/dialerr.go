package pop3

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
)

// DialKind says why a server could not be reached.
type DialKind uint8

const (
	// DialOther is any other reason.
	DialOther DialKind = iota
	// DialDNS means that the name could not be resolved.
	DialDNS
	// DialRefused means that nothing listens on the port.
	DialRefused
	// DialTimeout means that nobody answered in time.
	DialTimeout
	// DialUnreachable means that there is no route to the host.
	DialUnreachable
)

// ProxyError is what a Server.Dial that goes through a proxy returns if that
// makes no connection.
type ProxyError struct {
	Proxy string // its host and port
	Err   error
}

// Error implements error.
func (e *ProxyError) Error() string { return "proxy " + e.Proxy + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// DialError means that no connection could be made.
type DialError struct {
	// Address is the host and port that was dialled.
	Address string
	// Via is the proxy that was to make the connection; empty without one.
	Via  string
	Kind DialKind
	Err  error
}

// Error implements error.
func (e *DialError) Error() string {
	what := map[DialKind]string{
		DialDNS:         "name cannot be resolved",
		DialRefused:     "connection refused",
		DialTimeout:     "no answer in time",
		DialUnreachable: "host or network unreachable",
	}[e.Kind]
	what = cmp.Or(what, e.Err.Error())
	to := e.Address
	if e.Via != "" {
		to += " through " + e.Via
	}
	return "connect " + to + ": " + what
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Temporary is true unless the name does not exist.
func (e *DialError) Temporary() bool {
	var dns *net.DNSError
	return !errors.As(e.Err, &dns) || !dns.IsNotFound
}

func newDialError(ctx context.Context, address string, err error) error {
	e := &DialError{Address: address, Err: err}
	var proxy *ProxyError
	if errors.As(err, &proxy) {
		e.Via, e.Err = "proxy "+proxy.Proxy, proxy.Err
	}
	var dns *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Err = ctx.Err()
	case errors.As(err, &dns):
		e.Kind = DialDNS
	case isErrno(err, errnoRefused):
		e.Kind = DialRefused
	case isErrno(err, errnoNoHost), isErrno(err, errnoNoNet):
		e.Kind = DialUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		e.Kind = DialTimeout
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
