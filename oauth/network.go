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

// proxyError means that the proxy on the way to the provider did not let the
// request through. Status is 0 if it could not be reached.
type proxyError struct {
	host   string
	status int
	err    error
}

func (e *proxyError) Error() string {
	if e.err != nil {
		return fmt.Sprintf("proxy %s: %v", e.host, e.err)
	}
	return fmt.Sprintf("proxy %s: HTTP status %d", e.host, e.status)
}

// hint says what to do about it.
func (e *proxyError) hint() string {
	switch e.status {
	case http.StatusProxyAuthRequired:
		return "the proxy on the way to the provider of the login wants a user name and password (a Kerberos login is not possible here): " +
			"give them in `proxy:`, or in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the provider in NO_PROXY"
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		return "the proxy does not let this machine reach the provider of the login: its administrator must allow it, or name the provider in NO_PROXY"
	}
	return "the proxy on the way to the provider of the login does not work: is it the right one in `proxy:` or HTTPS_PROXY?"
}

// refusedByProxy is what a proxy's answer to CONNECT means.
func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &proxyError{host: proxy.Host, status: resp.StatusCode}
}

// network sorts what keeps us from the provider.
func (e *Error) network(err error) {
	var proxy *proxyError
	var op *net.OpError
	var unreadable *tls.CertificateVerificationError
	switch {
	case errors.As(err, &proxy) && proxy.status >= 500, errors.As(err, &op) && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		e.Kind, e.Err = KindTemporary, networkCause(err)
		e.hint = (&proxyError{}).hint()
	case errors.As(err, &proxy):
		e.Kind, e.Err, e.hint = KindConfig, proxy, proxy.hint()
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
	case errors.As(err, &op), errors.As(err, new(*proxyError)):
		return err
	}
	return errors.New(clip(escape(redactRuns(err.Error()))))
}
