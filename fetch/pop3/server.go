package pop3

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// Security says how a connection is protected. The zero value is the safe one.
type Security uint8

const (
	// ImplicitTLS starts TLS before the greeting (RFC 8314), port 995.
	ImplicitTLS Security = iota
	// STLS upgrades a plain connection (RFC 2595 section 4), port 110. A
	// server that does not offer it, or refuses it, is an error.
	STLS
	// Plain uses no TLS.
	Plain
)

// Pipelining says when commands are sent ahead of their replies.
type Pipelining uint8

const (
	// PipelineAuto pipelines when CAPA announces PIPELINING (RFC 2449
	// section 6.6).
	PipelineAuto Pipelining = iota
	// PipelineOn pipelines whatever CAPA says.
	PipelineOn
	// PipelineOff sends one command at a time.
	PipelineOff
)

// Server is everything that a session needs to know of a server. It is
// read-only to this package and may be shared between sessions.
type Server struct {
	// Host is the name or address to connect to and Port its TCP port.
	Host string
	Port int
	// Security is how the connection is protected, and TLS the client's TLS
	// configuration; nil means Go's defaults with Host as the server name.
	// An empty TLS.ServerName is filled with Host.
	Security Security
	TLS      *tls.Config
	// Insecure allows secrets to be sent without TLS.
	Insecure bool
	// Logins are the ways to log in that we hold a secret for, strongest
	// first. The first usable one is taken: see Login.
	Logins []Login
	// Pipelining is when to send commands ahead.
	Pipelining Pipelining
	// Connect bounds TCP, TLS handshake and greeting, each; Idle bounds the
	// wait for the server: within it a whole reply line, or at least 1 KiB of
	// a longer reply, must arrive, so a dripping server cannot hold a run.
	// Session bounds the whole session. Zero: 30 s, 60 s, unbounded.
	Connect, Idle, Session time.Duration
	// Dial replaces net.Dialer.DialContext (proxy, tunnel, tests). Nil for
	// the usual case.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace, if set, is called with each line of the dialogue, secrets
	// already redacted and control characters escaped. Bodies are not traced,
	// only their sizes. Sent is true for lines from us.
	Trace func(sent bool, line string)
}

// Login is one way to log in.
type Login struct {
	// Name is "USER" (RFC 1939 USER and PASS), "APOP", or the name of a SASL
	// mechanism in upper case ("PLAIN", "XOAUTH2").
	Name string
	// User is the user name of USER and APOP, unused for SASL.
	User string
	// Password yields the secret of USER and APOP when it is needed.
	Password func(ctx context.Context) (string, error)
	// New makes the mechanism of a SASL login when it is needed.
	New func(ctx context.Context, ch sasl.Channel) (sasl.Mechanism, error)
	// Clear means that who reads the connection learns a reusable secret:
	// never used without TLS unless Server.Insecure.
	Clear bool
	// Named means that the user asked for just this one: it is used even if
	// the server does not announce it. A login that is not Named needs to be
	// announced (USER: announced, or no CAPA at all).
	Named bool
}

// Message is one line of the server's list.
type Message struct {
	// UID is the unique-id (RFC 1939 section 7); empty if the server has no
	// UIDL. Foreign text of 1 to 1000 bytes without NUL, CR and LF.
	UID string
	// Size is in octets as LIST says; -1 if LIST does not name the message.
	Size int64
	// Num is the message number, valid in this session only.
	Num int
}
