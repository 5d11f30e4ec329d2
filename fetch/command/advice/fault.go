package advice

import (
	"errors"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Fault is the setting of an account that an error is likely about.
type Fault uint8

const (
	// FaultUnknown: it may be any, or none.
	FaultUnknown Fault = iota
	// FaultServer: the server cannot be reached.
	FaultServer
	// FaultTLS: there is no TLS, or the certificate is not trusted.
	FaultTLS
	// FaultLogin: the login is refused.
	FaultLogin
	// FaultTarget: nothing can be delivered there.
	FaultTarget
)

// FaultOf sorts the error of a test.
func FaultOf(err error) Fault {
	switch {
	case errors.As(err, new(*deliver.Error)):
		return FaultTarget
	case OfTLS(err):
		return FaultTLS
	case errors.As(err, new(*pop3.DialError)):
		return FaultServer
	case fetch.ExitOf(err) == fetch.ExitAuth:
		return FaultLogin
	}
	return FaultUnknown
}

// OfTLS reports whether err is about TLS, to the server or to a target.
func OfTLS(err error) bool { return errors.As(err, new(*pop3.TLSError)) }

// PinOf is the fingerprint of the key of a server that is not trusted; empty if
// err is about something else.
func PinOf(err error) string {
	if e, ok := errors.AsType[*pop3.TLSError](err); ok && e.Cert != nil {
		return pop3.Pin(e.Cert)
	}
	return ""
}
