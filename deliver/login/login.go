// Package login is what targets behind a login share: the ways to log in that the
// program has made for them, and the refusal of an access token.
package login

import (
	"context"
	"crypto/tls"
	"fmt"
)

// Mechanism is one SASL exchange (RFC 4422), used once. A nil initial response
// lets the server speak first. It may also have the methods Explain() error,
// which is asked after a refusal, and Complete() error, asked after a success.
type Mechanism interface {
	Start() (name string, initial []byte, err error)
	Next(challenge []byte) (response []byte, err error)
}

// Login is one way to log in.
type Login struct {
	// Mechanism is its name in upper case. In IMAP "LOGIN" is the command LOGIN where
	// the server does not announce the mechanism.
	Mechanism string
	// User and Password are for IMAP's command LOGIN; nil: it is not used.
	User     string
	Password func(ctx context.Context) (string, error)
	// New makes the exchange. offered are the mechanisms that the server
	// announces, state is nil without TLS.
	New func(ctx context.Context, offered []string, state *tls.ConnectionState) (Mechanism, error)
	// Clear: the server gets a secret that can be used again. It is sent only where
	// nobody can read it on the way, or the user allows it.
	Clear bool
	// Named: the user asked for this one, it is tried even if it is not announced.
	Named bool
	// Renew gets another access token after one was refused; nil: it is not one. Name
	// is what people call the login that it belongs to; empty: it has no name.
	Renew func(ctx context.Context) error
	Name  string
}

// Anew gets another access token after a server refused the one of l, whose error is
// refused. If there is none, the error says why.
func (l *Login) Anew(ctx context.Context, refused error) error {
	if none := l.Renew(ctx); none != nil {
		return fmt.Errorf("the server refused the token, and there is no new one: %w (it was refused with: %w)", none, refused)
	}
	return nil
}

// TokenError says that a server refused an access token, also a new one.
type TokenError struct {
	// Name is what people call the login; empty: the token has none.
	Name string
	Err  error
}

// Error implements error.
func (e *TokenError) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *TokenError) Unwrap() error { return e.Err }

// Complete is what a mechanism says about a success: the server may owe a proof.
func Complete(m Mechanism) error {
	if c, ok := m.(interface{ Complete() error }); ok {
		return c.Complete()
	}
	return nil
}

// Explained adds to a refusal what the mechanism knows of its reason.
func Explained(m Mechanism, refused error) error {
	if x, ok := m.(interface{ Explain() error }); ok {
		if why := x.Explain(); why != nil {
			return fmt.Errorf("%w (%w)", refused, why)
		}
	}
	return refused
}
