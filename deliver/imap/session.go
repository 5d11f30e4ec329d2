package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/login"
)

// connect opens a session up to and including the login.
func connect(ctx context.Context, o *Options) (*conn, error) {
	c := new(conn)
	c.o = o
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// connect is also for a session that has ended: another one takes its place. An access
// token that the server refuses, which may have ended early, is replaced once.
func (c *conn) connect(ctx context.Context) error {
	before := c.o.renewals.n.Load()
	err := c.connectOnce(ctx)
	if !c.tokenRefused(err) {
		return err
	}
	if none := c.o.renewals.since(before, func() error { return c.used.Anew(ctx, err) }); none != nil {
		return c.o.failure(deliver.Denied, LoginRefused, stageLogin, &login.TokenError{Name: c.used.Name, Err: none})
	}
	c.o.Logger.Info("the server refused the token: trying once more with a new one")
	if err = c.connectOnce(ctx); c.tokenRefused(err) {
		e, _ := errors.AsType[*Error](err)
		e.Err = &login.TokenError{Name: c.used.Name, Err: e.Err}
	}
	return err
}

// renewals counts how often the sessions of a target have replaced their token.
type renewals struct {
	mu sync.Mutex
	n  atomic.Int64
}

// since calls renew, unless another session has replaced the token since there were n
// renewals.
func (r *renewals) since(n int64, renew func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n.Load() != n {
		return nil
	}
	err := renew()
	if err == nil {
		r.n.Add(1)
	}
	return err
}

// tokenRefused reports whether a login ended with the server's refusal of a token.
func (c *conn) tokenRefused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Cause == LoginRefused && e.Stage == stageLogin && c.used != nil && c.used.Renew != nil
}

func (c *conn) connectOnce(ctx context.Context) error {
	fault.Point("imap.connect")
	nc, state, err := c.o.Connect(ctx)
	if err != nil {
		return c.o.unreachable(ctx, Unreachable, "", err)
	}
	c.dead, c.bye, c.caps, c.limit, c.aside, c.stage, c.used = nil, nil, nil, 0, "", "greeting", nil
	c.replace(nc, state)
	defer c.watch(ctx)()
	if err := c.begin(ctx); err != nil {
		_ = nc.Close()
		c.dead = c.o.failed(err)
		return err
	}
	return nil
}

// unreachable is the error of a connection that could not be made.
func (o *Options) unreachable(ctx context.Context, cause Cause, stage string, err error) *deliver.Error {
	if ctx.Err() != nil {
		return o.failure(deliver.Later, cause, stage, fmt.Errorf("%w (%w)", err, ctx.Err()))
	}
	if side, ok := errors.AsType[interface {
		error
		Untrusted() bool
	}](err); ok && side.Untrusted() || errors.As(err, new(*tls.CertificateVerificationError)) {
		return o.failure(deliver.Denied, TLSFailed, stage, err)
	}
	return o.failure(deliver.Unavailable, cause, stage, err)
}

func (c *conn) begin(ctx context.Context) error {
	r, err := c.read(c.o.Timeout, nil)
	switch {
	case err != nil:
		return c.ungreeted(err)
	case r.tag != "*" || r.name != "OK" && r.name != "PREAUTH":
		if r.name == "BYE" {
			return c.lost(errors.New(r.line()))
		}
		return c.lost(errProtocol)
	}
	if c.o.StartTLS != nil {
		if r.name == "PREAUTH" { // RFC 9051 section 11.1: STARTTLS is not possible any more
			return c.o.failure(deliver.Unavailable, Tampered, "greeting", errors.New("PREAUTH before TLS"))
		}
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	if err := c.ensureCaps(); err != nil {
		return err
	}
	if r.name != "PREAUTH" {
		c.stage = stageLogin
		if err := c.login(ctx); err != nil {
			return err
		}
	}
	return c.introduce()
}

// ungreeted tells a server that said nothing: on a connection without TLS it may be
// one that waits for TLS.
func (c *conn) ungreeted(err *deliver.Error) error {
	if e, ok := errors.AsType[*Error](err); ok && c.state == nil && (e.Cause == Silent || e.Cause == Lost) {
		e.Cause = NoGreeting
	}
	return err
}

func (c *conn) ensureCaps() error {
	if c.caps != nil {
		return nil
	}
	if _, err := c.command("CAPABILITY", "CAPABILITY", nil); err != nil {
		return c.o.failed(err)
	}
	if c.caps == nil {
		return c.lost(errProtocol)
	}
	return nil
}

// startTLS upgrades the connection (RFC 9051 section 6.2.1). What is there before
// the handshake was put there by somebody else, and what was said before it counts
// for nothing.
func (c *conn) startTLS(ctx context.Context) error {
	if err := c.ensureCaps(); err != nil {
		return err
	}
	if !c.caps["STARTTLS"] {
		return c.o.failure(deliver.Unavailable, TLSNotOffered, "STARTTLS", errors.New("not offered by the server"))
	}
	if _, err := c.command("STARTTLS", "STARTTLS", nil); err != nil {
		return c.o.failed(err)
	}
	if c.br.Buffered() > 0 {
		return c.o.failure(deliver.Unavailable, Tampered, "STARTTLS", fmt.Errorf("%w: text before the TLS handshake", errProtocol))
	}
	c.arm(c.o.Timeout)
	nc, state, err := c.o.StartTLS(ctx, c.nc)
	if err != nil {
		return c.o.unreachable(ctx, TLSFailed, "STARTTLS", err)
	}
	c.replace(nc, state)
	c.caps, c.limit = nil, 0
	return nil
}

// introduce reads the capabilities of a session that is logged in, and says who we
// are: without that, NetEase refuses to open mailboxes (RFC 2971).
func (c *conn) introduce() error {
	if err := c.ensureCaps(); err != nil {
		return err
	}
	if c.caps["ID"] {
		c.aside = c.send(`ID ("name" "mailhaul")`, "")
	}
	return nil
}
