package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/oauth2"
)

const (
	// maxAnswer bounds an answer; the largest tokens have a few KiB.
	maxAnswer = 256 << 10
	// maxHeader bounds its header.
	maxHeader = 64 << 10
	// largeSkew is the difference of clocks that is worth a hint.
	largeSkew = 5 * time.Minute
)

var errAnswerTooLong = fmt.Errorf("answer is longer than %d KiB", maxAnswer>>10)

// newTransport makes the HTTP transport of a Config. Connections are not kept:
// requests are minutes apart.
func newTransport(c *Config) (http.RoundTripper, error) {
	if c.Transport != nil {
		return c.Transport, nil
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: maxHeader,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
	}
	if c.Proxy != nil {
		t.Proxy = c.Proxy
	}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("CA file: no certificate in it")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// receipt is what is known about the last answer, apart from its content.
type receipt struct {
	status      int
	contentType string
	// skew is how far the provider's clock is ahead of ours; zero if small.
	skew time.Duration
	// wait is for how long it wants no further request; zero: not said.
	wait time.Duration
	// host is where the request went, members what the answer holds as far as
	// it is one of OAuth2: secrets.
	host    string
	members map[string]any
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// httpClient makes the HTTP client of one exchange. It ends with ctx (which
// x/oauth2 does not pass on everywhere), reads the whole answer up to a limit,
// and follows no redirect: the target would be handed our secrets.
func (c *Client) httpClient(ctx context.Context, rec *receipt) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithTimeout(ctx, c.conf.Timeout)
			defer cancel()
			defer context.AfterFunc(req.Context(), cancel)()
			*rec = receipt{host: req.URL.Host}
			req = req.Clone(ctx) // a RoundTripper changes no request
			setBasic(ctx, req)
			resp, err := c.base.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			*rec = receiptOf(resp, time.Now())
			rec.host = req.URL.Host
			body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
			rec.members = plainAnswer(resp.StatusCode, body)
			if err != nil && rec.members["access_token"] == nil {
				return nil, err
			}
			if len(body) > maxAnswer {
				return nil, errAnswerTooLong
			}
			return answer(resp, body, rec.members), nil
		}),
	}
}

func receiptOf(resp *http.Response, now time.Time) receipt {
	rec := receipt{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type")}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if skew := date.Sub(now); skew.Abs() > largeSkew {
			rec.skew = skew
		}
		now = date // by whose clock Retry-After counts
	}
	rec.wait = retryAfter(resp.Header.Get("Retry-After"), now)
	return rec
}

// retryAfter reads how long to wait (RFC 9110 section 10.2.3), at most a day.
func retryAfter(value string, now time.Time) time.Duration {
	wait := seconds(value)
	if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, day))
}

// exchange runs requests that x/oauth2 makes and sorts what goes wrong. The
// secrets are those that went into them.
func (c *Client) exchange(ctx context.Context, op string, hide secrets, do func(context.Context) error) (receipt, error) {
	var rec receipt
	err := do(context.WithValue(ctx, oauth2.HTTPClient, c.httpClient(ctx, &rec)))
	if err == nil {
		return rec, nil
	}
	if ctx.Err() != nil {
		return rec, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	return rec, c.classify(op, err, rec, hide)
}

// basicKey is the context's key of what withBasic adds.
type basicKey struct{}

// withBasic lets requests that the library makes authenticate by HTTP Basic
// (RFC 6749 section 2.3.1), where it has no way to.
func withBasic(ctx context.Context, id, secret string) context.Context {
	return context.WithValue(ctx, basicKey{}, url.UserPassword(url.QueryEscape(id), url.QueryEscape(secret)))
}

func setBasic(ctx context.Context, req *http.Request) {
	if u, ok := ctx.Value(basicKey{}).(*url.Userinfo); ok {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
}
