package pop3

import (
	"context"
	"errors"
)

// stls upgrades the connection (RFC 2595 section 4). Whatever goes wrong is
// an error: there is no way back to a plain session.
func (c *Client) stls(ctx context.Context) error {
	if c.caps.Known() && !c.caps.Has("STLS") {
		return c.broken(&TLSError{Host: c.s.Host, Kind: TLSNotOffered, Err: errors.New("server does not offer STLS")})
	}
	if _, err := c.command("STLS"); err != nil {
		if c.err == nil { // an -ERR
			err = c.broken(&TLSError{Host: c.s.Host, Kind: TLSNotOffered, Err: err})
		}
		return err
	}
	// What is buffered now was sent before the handshake, so perhaps by
	// someone else: it would be taken for the server's words under TLS.
	if c.w.buffered() > 0 {
		return c.garbled("STLS", "data before the TLS handshake", nil)
	}
	return c.handshake(ctx)
}
