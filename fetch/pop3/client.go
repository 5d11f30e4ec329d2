package pop3

import (
	"crypto/tls"
)

// Client is one session. It is made by Dial or NewClient, used by one
// goroutine, and ended by Quit (deletions take effect) or Close (they do not).
//
// A reply of -ERR is an *Error and the session goes on. After a *ConnError or
// *ProtocolError the connection is closed and every call returns that error
// again. When the context of a call ends, the connection is closed at once.
type Client struct {
	dialogue

	tls      *tls.ConnectionState
	greeting string // text of the greeting, raw
	capaErr  *CapaError
	login    string
	strength uint8 // of the login
	list     listState
	sizes    SizeRecord
	retr     *retrieval // the last one
	marked   int        // messages marked for deletion
	quitAt   int        // which of the commands QUIT is; 0 if it was not queued
	scratch  []byte
}

// Greeting is the text of the greeting, escaped.
func (c *Client) Greeting() string { return escape(c.greeting) }

// Capabilities is what the last CAPA announced; nil if it is not known. The
// caller does not change it.
func (c *Client) Capabilities() Capabilities { return c.caps }

// CapaError is the refusal of the last CAPA, or nil.
func (c *Client) CapaError() *CapaError { return c.capaErr }

// TLS is the state of the connection's TLS, nil without it.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// LoginName is the name of the login that succeeded; empty before.
func (c *Client) LoginName() string { return c.login }

// LoginStrength is the Login.Strength of the login that succeeded.
func (c *Client) LoginStrength() uint8 { return c.strength }

// Close ends the session without QUIT: the server deletes nothing. It may be
// called more than once, and its error says nothing of value.
func (c *Client) Close() error {
	if c.err == nil {
		c.err = ErrClosed
	}
	return c.w.raw.Close()
}
