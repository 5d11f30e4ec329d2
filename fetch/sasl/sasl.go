// Package sasl holds the client side of the SASL mechanisms (RFC 4422), one
// file each. It knows nothing of POP3: package pop3 frames the exchange as
// RFC 5034 says.
package sasl

import "crypto/tls"

// Mechanism is one authentication exchange, used once and then thrown away.
// The shape is that of emersion/go-sasl's Client, so its mechanisms fit.
type Mechanism interface {
	// Start begins the exchange. A nil initial response means that the
	// mechanism lets the server speak first; an empty one is a response of
	// length zero.
	Start() (name string, initial []byte, err error)
	// Next answers one challenge. An error cancels the exchange.
	Next(challenge []byte) (response []byte, err error)
}

// Channel is what a mechanism may know of the connection it runs over.
type Channel struct {
	// Host and Port are the server's as configured (OAUTHBEARER, GSSAPI,
	// DIGEST-MD5 name them to the server).
	Host string
	Port int
	// TLS is nil on a connection without TLS.
	TLS *tls.ConnectionState
	// Offered are the mechanism names the server announced, upper case.
	Offered []string
}
