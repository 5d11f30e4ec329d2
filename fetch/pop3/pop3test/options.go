package pop3test

import (
	"crypto/tls"
	"time"
)

// Security says how a server protects its connections. The zero value is the
// safe one.
type Security uint8

const (
	// ImplicitTLS starts TLS before the greeting (RFC 8314).
	ImplicitTLS Security = iota
	// STLS offers the upgrade (RFC 2595 section 4) and refuses to log in
	// before it, unless Options.LoginBeforeTLS.
	STLS
	// Plain has no TLS and does not offer it.
	Plain
)

// UTF8 says how a server treats the UTF8 command (RFC 6856).
type UTF8 uint8

const (
	// NoUTF8 knows no UTF8 command.
	NoUTF8 UTF8 = iota
	// UTF8Offered announces it.
	UTF8Offered
	// UTF8Required also answers RETR and TOP of a message with 8-bit header
	// bytes with "-ERR [UTF8]" unless the session gave the command.
	UTF8Required
	// UTF8Surrogate sends a text of its own in place of such a message unless
	// the session gave the command, as Courier does; LIST has the true size.
	UTF8Surrogate
)

// Options shape a server. The zero value is a well-behaved server with
// implicit TLS, user "alice" and password "secret".
type Options struct {
	Security       Security
	LoginBeforeTLS bool

	// CA issues the server's certificate for localhost, 127.0.0.1 and ::1;
	// nil for a new one. Certificate replaces that certificate.
	CA          *CA
	Certificate *tls.Certificate
	// ClientAuth asks for a client certificate, checked against CA.
	ClientAuth tls.ClientAuthType
	// TLS, if set, changes the configuration before it is used.
	TLS func(*tls.Config)

	// User and Password are what USER/PASS, APOP and the SASL mechanisms
	// check. Token, if set, checks the bearer token of XOAUTH2 and
	// OAUTHBEARER; nil compares it with Password.
	User, Password string
	Token          func(user, token string) bool
	// Mechanisms are the SASL mechanisms announced and accepted, of PLAIN,
	// LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER, EXTERNAL and those in SASL. Nil
	// for PLAIN; empty but not nil for none.
	Mechanisms []string
	// SASL adds mechanisms by upper-case name. Each exchange asks for a new
	// one; state is nil without TLS (channel binding needs it).
	SASL map[string]func(state *tls.ConnectionState) ServerMech
	// APOP puts a time stamp into the greeting and accepts APOP. Stamp
	// replaces the generated one ("<...@...>").
	APOP  bool
	Stamp string
	// NoUSER refuses USER and PASS. TwoStepAuth hangs up on AUTH with an
	// initial response, as Exchange Online does.
	NoUSER, TwoStepAuth bool
	// LoginError is the text behind -ERR for a refused login; empty for
	// "[AUTH] invalid user name or password".
	LoginError string

	// Greeting is the text behind "+OK "; empty for a usual one.
	Greeting string
	// Capa replaces the lines of CAPA; CapaAfterLogin those after login (nil:
	// as before login).
	Capa, CapaAfterLogin []string
	// The commands that this server answers with -ERR. NoPipelining only
	// drops the announcement.
	NoCAPA, NoUIDL, NoTOP, NoPipelining bool
	// LoginDelay is announced, in whole seconds, and enforced: an earlier
	// login gets -ERR [LOGIN-DELAY]. Zero for none.
	LoginDelay time.Duration
	// Expire is the argument of the EXPIRE capability; empty for none.
	Expire string
	UTF8   UTF8

	// UIDLLine and ListLine make the line for one message, without CRLF; what
	// they return is sent as it is. Nil for the correct "NUM UID" and
	// "NUM SIZE". An empty line is left out.
	UIDLLine func(num int, uid string) string
	ListLine func(num int, size int64) string
	// Size changes the size that LIST and STAT tell of a message.
	Size func(num int, size int64) int64

	// DeleteLate carries deletions out so long after QUIT's +OK (Inbucket,
	// WildDuck): sessions that begin before that still list the messages.
	DeleteLate time.Duration
	// DeleteSlowly is how long QUIT takes after deletions before it answers. If
	// the client has hung up by then, nothing is deleted.
	DeleteSlowly time.Duration

	// Delay is waited before each reply. For real latency see DelayProxy.
	Delay time.Duration
	// Idle ends a session in which the client is silent; zero for 10 minutes.
	Idle time.Duration
	// Faults are what goes wrong, in the order in which it is applied.
	Faults []Fault
}

// withDefaults returns o with its zero values filled in.
func (o Options) withDefaults() Options {
	if o.User == "" {
		o.User = "alice"
	}
	if o.Password == "" {
		o.Password = "secret"
	}
	if o.Mechanisms == nil {
		o.Mechanisms = []string{"PLAIN"}
	}
	if o.LoginError == "" {
		o.LoginError = "[AUTH] invalid user name or password"
	}
	if o.Greeting == "" {
		o.Greeting = "pop3test ready"
	}
	if o.Idle == 0 {
		o.Idle = 10 * time.Minute
	}
	if o.Token == nil {
		password := o.Password
		o.Token = func(_, token string) bool { return token == password }
	}
	return o
}
