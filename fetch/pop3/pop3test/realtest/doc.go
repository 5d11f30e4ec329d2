// Package realtest runs real POP3 servers for tests, each privately, on
// loopback ports, until the test ends, and takes a mailbox off each by the
// program, as a person would.
//
// Debian's popa3d, Courier and Cyrus conflict with each other and with
// Dovecot: docs/private-servers.sh unpacks them below a private directory, and
// they run from there. It is for tests only.
package realtest

import "github.com/mailhaul/mailhaul/fetch/pop3/pop3test"

// Password is that of the user alice on every server.
const Password = "Pa55-of-alice"

// Server is a running server with the mailbox of alice.
type Server struct {
	// Account are the lines of an account that reaches it, but for user and
	// deliver.
	Account []string
	// Add puts messages with CRLF lines into the mailbox.
	Add func(messages [][]byte)
	// Kept are the messages in the mailbox as the server keeps them, with CRLF
	// lines: what a client must get. A server may add a trace header or
	// change bytes when it takes a message in; what it loses there no client
	// can know.
	Kept func() [][]byte
	// Idle waits until no session is left; nil where the server can tell a
	// client itself that another session has the mailbox.
	Idle func()
}

// Start starts a server that ends with the test. It skips the test where the
// server is not there, or fails it if MAILHAUL_REQUIRE_ALL is 1.
type Start func(t pop3test.TB) *Server
