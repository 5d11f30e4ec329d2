package pop3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// TLSKind says why a secure connection could not be made.
type TLSKind uint8

const (
	// TLSOther is any other reason.
	TLSOther TLSKind = iota
	// TLSUnknownAuthority means that no trusted authority signed the
	// certificate.
	TLSUnknownAuthority
	// TLSExpired means that the certificate is not valid now.
	TLSExpired
	// TLSWrongHost means that the certificate is for other names.
	TLSWrongHost
	// TLSPinMismatch means that the server's keys are not the pinned ones.
	TLSPinMismatch
	// TLSNotSpoken means that the server does not speak TLS on this port.
	TLSNotSpoken
	// TLSNotOffered means that STLS was not offered, or refused.
	TLSNotOffered
	// TLSTimeout means that the handshake took too long.
	TLSTimeout
	// TLSClientCert means that the server wants a certificate of ours, or
	// another one.
	TLSClientCert
	// TLSNoCommon means that there is no version or cipher that both have.
	TLSNoCommon
	// TLSUnknownName means that the server does not know the name it was asked
	// for (unrecognized_name).
	TLSUnknownName
	// TLSUnusable means that the certificate has another fault, which no
	// authority cures.
	TLSUnusable
	// TLSNameless means that the certificate does not name the server where it
	// must today: it has none but the common name, or an address as a DNS name.
	TLSNameless
	// TLSClosed means that the connection ended in the handshake.
	TLSClosed
)

// TLSError means that a secure connection could not be made. There is never
// a fallback to an insecure one.
type TLSError struct {
	// Host is the name that the certificate was checked against.
	Host string
	Kind TLSKind
	// Cert is the server's certificate if it was seen, else nil.
	Cert *x509.Certificate
	// Missing is the issuer of Cert, quoted, if the server did not send the
	// certificate of that.
	Missing string
	// Unanswered: the server said nothing, or that it cannot read our greeting.
	Unanswered bool
	Err        error
}

// Error implements error. It names what a person needs to judge the matter:
// names, issuer, dates.
func (e *TLSError) Error() string {
	prefix := fmt.Sprintf("tls %s: ", e.Host)
	switch {
	case e.Kind == TLSNotSpoken:
		return prefix + "the server does not speak TLS on this port"
	case e.Kind == TLSTimeout:
		return prefix + "timeout in the handshake"
	case e.Kind == TLSClosed:
		return prefix + "server closed the connection in the handshake"
	case e.Cert == nil:
		return prefix + escape(e.Err.Error())
	case e.Kind == TLSExpired:
		which := "certificate"
		bad := e.Cert
		var invalid x509.CertificateInvalidError
		if errors.As(e.Err, &invalid) && invalid.Cert != nil && !invalid.Cert.Equal(e.Cert) {
			bad, which = invalid.Cert, fmt.Sprintf("certificate of its authority %q", escape(invalid.Cert.Subject.String()))
		}
		return prefix + fmt.Sprintf("%s is not valid now: it is valid from %s to %s (for %s, issuer %s)",
			which, date(bad.NotBefore), date(bad.NotAfter), names(e.Cert), issuer(bad))
	case e.Kind == TLSUnusable && strings.Contains(e.Err.Error(), "SHA1"):
		return prefix + fmt.Sprintf("certificate is signed with SHA-1, which is broken: it is for %s, signed by %s", names(e.Cert), issuer(e.Cert))
	case e.Kind == TLSWrongHost, e.Kind == TLSNameless:
		return prefix + fmt.Sprintf("certificate is for other names: %s (issuer %s)", names(e.Cert), issuer(e.Cert))
	case e.Kind == TLSUnknownAuthority:
		return prefix + fmt.Sprintf("certificate is not trusted: it is for %s, signed by %s, valid from %s to %s",
			names(e.Cert), issuer(e.Cert), date(e.Cert.NotBefore), date(e.Cert.NotAfter))
	case e.Kind == TLSPinMismatch:
		return prefix + fmt.Sprintf("server's key is not the pinned one: it is %s (issuer %s)", Pin(e.Cert), issuer(e.Cert))
	}
	return prefix + escape(e.Err.Error())
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// Temporary reports whether a later run may fare better without anyone's help.
func (e *TLSError) Temporary() bool {
	return e.Kind == TLSTimeout || e.Kind == TLSClosed
}

// nameless reports whether a certificate has no name to compare with.
func nameless(c *x509.Certificate) bool {
	return c != nil && len(c.DNSNames) == 0 && len(c.IPAddresses) == 0
}

// addressAsName reports whether host is an IP address that a certificate has
// as a DNS name.
func addressAsName(host string, c *x509.Certificate) bool {
	return c != nil && net.ParseIP(host) != nil && slices.Contains(c.DNSNames, host)
}

// faulty reports whether a chain fails for what no trust cures: a signature
// with SHA-1, an authority that may not sign, names or uses that are not
// allowed. Of a certificate that signed itself no candidate of the same name is the
// authority: it is only unknown.
func faulty(err error, cert *x509.Certificate) bool {
	var invalid x509.CertificateInvalidError
	text := err.Error()
	candidate := strings.Contains(text, "candidate authority") && (strings.Contains(text, "insecure algorithm") || strings.Contains(text, "cannot sign"))
	candidate = candidate && string(cert.RawIssuer) != string(cert.RawSubject)
	return candidate || errors.As(err, &invalid) || errors.As(err, new(x509.UnhandledCriticalExtension)) || errors.As(err, new(x509.ConstraintViolationError))
}

func newTLSError(host string, err error) *TLSError {
	e := &TLSError{Host: host, Err: err}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		e.Cert = verify.UnverifiedCertificates[0]
		if len(verify.UnverifiedCertificates) == 1 && string(e.Cert.RawIssuer) != string(e.Cert.RawSubject) {
			e.Missing = issuer(e.Cert)
		}
	}
	var (
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
	)
	switch {
	case isAlert(err) && strings.Contains(err.Error(), "unrecognized name"):
		e.Kind = TLSUnknownName
	case strings.Contains(err.Error(), "protocol version"),
		isAlert(err) && (strings.Contains(err.Error(), "handshake failure") || strings.Contains(err.Error(), "insufficient security")):
		e.Kind = TLSNoCommon
	case isAlert(err) && strings.Contains(err.Error(), "certificate"):
		e.Kind = TLSClientCert
	case errors.As(err, &record):
		e.Kind = TLSNotSpoken
	case errors.Is(err, errPin):
		e.Kind = TLSPinMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Kind = TLSExpired
	case e.Cert != nil && faulty(err, e.Cert):
		e.Kind = TLSUnusable
	case errors.As(err, &unknown):
		e.Kind = TLSUnknownAuthority
	case errors.As(err, &name) && (nameless(e.Cert) || addressAsName(host, e.Cert)):
		e.Kind = TLSNameless
	case errors.As(err, &name):
		e.Kind = TLSWrongHost
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		e.Kind = TLSTimeout
	case hungUp(err):
		e.Kind = TLSClosed
	}
	return e
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02") }

func issuer(cert *x509.Certificate) string {
	if name := cert.Issuer.String(); name == cert.Subject.String() {
		if name == "" {
			return "itself, without a name"
		}
		return "itself, " + fmt.Sprintf("%q", escape(cert.Issuer.String()))
	}
	return fmt.Sprintf("%q", escape(cert.Issuer.String()))
}

// names are those that a host name is compared with (RFC 9525: the subject's
// common name is none of them).
func names(cert *x509.Certificate) string {
	var all []string
	for _, n := range cert.DNSNames {
		all = append(all, escape(n))
	}
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	const most = 5
	if len(all) > most {
		all = append(all[:most], "...")
	}
	return strings.Join(all, ", ")
}

// isAlert reports whether the server ended TLS with an alert, which in TLS 1.3
// may come after our side of the handshake is done.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// unread reports whether the server's alert says that it could not read what we
// sent, as some do that take the first packet for the whole greeting.
func unread(err error) bool {
	return isAlert(err) && slices.ContainsFunc([]string{"error decoding message", "record overflow", "unexpected message", "bad record MAC"},
		func(w string) bool { return strings.Contains(err.Error(), w) })
}

// Untrusted reports whether the server was reached but one side does not trust
// the other.
func (e *TLSError) Untrusted() bool {
	switch e.Kind {
	case TLSUnknownAuthority, TLSExpired, TLSWrongHost, TLSNameless, TLSPinMismatch, TLSClientCert:
		return true
	}
	return e.Cert != nil // refused for a rarer reason
}
