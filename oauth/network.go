package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// ProxyError means that the proxy on the way to the provider did not let the
// request through.
type ProxyError struct {
	Host   string
	Status int   // its HTTP status; 0 if it could not be reached
	Err    error // why not
}

// Error implements error.
func (e *ProxyError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("proxy %s: HTTP status %d", e.Host, e.Status)
}

// Unwrap returns why it could not be reached.
func (e *ProxyError) Unwrap() error { return e.Err }

// refusedByProxy is what a proxy's answer to CONNECT means.
func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &ProxyError{Host: proxy.Host, Status: resp.StatusCode}
}

// network sorts what keeps us from the provider.
func (e *Error) network(err error) {
	var proxy *ProxyError
	var op *net.OpError
	var unreadable *tls.CertificateVerificationError
	switch {
	case errors.As(err, &op) && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		e.Kind, e.Err = KindTemporary, &ProxyError{Err: networkCause(err)}
	case errors.As(err, &proxy) && proxy.Status >= 500:
		e.Kind, e.Err = KindTemporary, proxy
	case errors.As(err, &proxy):
		e.Kind, e.Err = KindConfig, proxy
	case errors.As(err, &unreadable):
		e.Kind, e.Err = KindUntrusted, fmt.Errorf("certificate of %s%s: %w", e.Host, ofWhom(unreadable.UnverifiedCertificates), unreadable.Err)
	case untrusted(err):
		e.Kind, e.Err = KindUntrusted, fmt.Errorf("certificate of %s: %w", e.Host, err)
	default:
		e.Kind, e.Err = KindTemporary, networkCause(err)
	}
}

func untrusted(err error) bool {
	return errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

// ofWhom names a certificate by its issuer.
func ofWhom(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	return " (issued by " + clip(escape(chain[0].Issuer.String())) + ")"
}

// networkCause is the cause in words without the URL, which the caller knows.
func networkCause(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.As(err, &op), errors.As(err, new(*ProxyError)):
		return err
	}
	return errors.New(clip(escape(redactRuns(err.Error()))))
}
