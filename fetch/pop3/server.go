package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"strconv"
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
	// POP2 uses no TLS either, and speaks POP2 (RFC 937): Server.Dial translates.
	POP2
)

// Clear reports whether there is no TLS.
func (s Security) Clear() bool { return s >= Plain }

// String names it as people do.
func (s Security) String() string {
	return [...]string{"implicit", "stls", "none", "pop2"}[min(s, POP2)]
}

// Port is the registered one: 995 with TLS from the start (RFC 8314 section
// 3.3), 109 of POP2, else 110 (RFC 1939 section 3).
func (s Security) Port() int {
	switch s {
	case ImplicitTLS:
		return 995
	case POP2:
		return 109
	}
	return 110
}

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

// String names it as people do.
func (p Pipelining) String() string {
	return [...]string{"auto", "on", "off"}[min(p, PipelineOff)]
}

// Server is everything that a session needs to know of a server. It is
// read-only to this package and may be shared between sessions.
type Server struct {
	// Host is the name or address to connect to and Port its TCP port. Port 0
	// is the registered one for Security: 995 for ImplicitTLS, else 110.
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
	// first. The first usable one is taken: see Client.Login. PasswordLogins
	// makes them from a user name and a password.
	Logins []Login
	// Pipelining is when to send commands ahead.
	Pipelining Pipelining
	// Connect bounds TCP, TLS handshake and greeting, each; Idle bounds the
	// wait for the server: within it a whole reply line, or at least 1 KiB of
	// a longer reply, must arrive, so a dripping server cannot hold a run.
	// Session bounds the whole session. Zero: 30 s, 60 s, unbounded.
	Connect, Idle, Session time.Duration
	// NoCapa skips CAPA, for a server known to hang or hang up on it: see
	// CapaError.
	NoCapa bool
	// SmallHello leaves the post-quantum key exchange out of the TLS greeting, which
	// then fits into one packet: for a way that takes no larger one (see
	// TLSError.Unanswered).
	SmallHello bool
	// UTF8 sends the UTF8 command before the login if it is announced (RFC
	// 6856 section 2). Lang, unless empty, is the language tag that LANG
	// (section 3) asks for if that is announced.
	UTF8 bool
	Lang string
	// LF makes bodies end their lines with LF: each CRLF becomes LF, a CR or
	// LF on its own is kept. False keeps every byte.
	LF bool
	// Sizes is what earlier sessions showed of the server's sizes.
	Sizes SizeRecord
	// ProveEach has Retrieve make sure of each message before the next one
	// begins, so that Sure holds between them. It costs a round trip for a
	// message of another size than listed, unless the session is pipelined.
	ProveEach bool
	// MaxMessages bounds the entries of a listing, and with it the memory of
	// one (about 32 bytes and the UID each); a longer one is a protocol
	// error. Zero: 2,000,000.
	MaxMessages int
	// Dial replaces net.Dialer.DialContext (proxy, tunnel, tests). Nil for
	// the usual case.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace, if set, is called with each line of the dialogue, secrets
	// already redacted and control characters escaped. Bodies are not traced,
	// only their sizes. Sent is true for lines from us.
	Trace func(sent bool, line string)
	// Announced, if set, is called with the lines of each reply to CAPA, escaped;
	// nil if it was refused. The client itself keeps the last only.
	Announced func(lines []string)
	// Step, if set, is called after each step of a session with its name
	// ("dns", "tcp", "tls", "greeting", "capa", "stls", "utf8", "login",
	// "list"), its outcome and the time it took. The "dns" step is a look-up
	// of its own, made for the report only.
	Step func(name string, err error, d time.Duration)
}

const (
	defaultConnect     = 30 * time.Second
	defaultIdle        = 60 * time.Second
	defaultMaxMessages = 2_000_000
)

func (s *Server) connectTimeout() time.Duration { return cmp.Or(s.Connect, defaultConnect) }
func (s *Server) idleTimeout() time.Duration    { return cmp.Or(s.Idle, defaultIdle) }
func (s *Server) maxMessages() int              { return cmp.Or(s.MaxMessages, defaultMaxMessages) }

// Address is the host and port to dial; port 0 is the usual one.
func (s *Server) Address() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(cmp.Or(s.Port, s.Security.Port())))
}

// step runs f as one step that Step hears of.
func (s *Server) step(name string, f func() error) error {
	if s.Step == nil {
		return f()
	}
	start := time.Now()
	err := f()
	s.Step(name, err, time.Since(start))
	return err
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
	// Strength ranks logins, higher is stronger, so that a caller can tell a
	// downgrade from one session to the next.
	Strength uint8
	// Clear means that who reads the connection gets a reusable secret:
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
