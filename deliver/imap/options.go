package imap

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Kind is the Intent.Kind of this package, and SkipKind that of a message that
// the mailbox has already.
const (
	Kind     = "imap"
	SkipKind = "imap-has"
)

// Options describe a mailbox. They are not changed after New.
type Options struct {
	// Host and Port name the server in errors.
	Host string
	Port int
	// Connect dials, and does the TLS handshake if TLS is implicit; state is nil
	// without TLS.
	Connect func(ctx context.Context) (conn net.Conn, state *tls.ConnectionState, err error)
	// StartTLS does the handshake after STARTTLS. Nil: STARTTLS is not used; else
	// it is required.
	StartTLS func(ctx context.Context, conn net.Conn) (net.Conn, *tls.ConnectionState, error)
	// Secure: a secret may be sent without TLS (loopback, or the user says so).
	// With TLS it always may.
	Secure bool
	// Logins are the ways to log in, strongest first. None: the server greets with
	// PREAUTH.
	Logins []login.Login

	// Mailbox is its name in UTF-8, with "/" between levels; empty: INBOX. It is
	// created and subscribed if it is missing.
	Mailbox string
	// Seen marks messages as read. Keywords are added where the mailbox permits
	// them.
	Seen     bool
	Keywords []string
	// Connections is how many upload at a time to a server that makes us wait for
	// each message; zero: 1.
	Connections int

	// Timeout bounds connecting, each reply, and each block that is sent; zero: 60 s.
	Timeout time.Duration
	// AppendTimeout bounds the wait for the reply to messages; zero: 5 minutes.
	AppendTimeout time.Duration
	// Settle is how long a session that broke off may still store what it has
	// received; zero: 10 s.
	Settle time.Duration
	// SpoolDir is where a batch is staged; empty: os.TempDir.
	SpoolDir string
	// Claims is a file that all who deliver to this mailbox share; empty: nobody else
	// does.
	Claims Claims
	// Logger gets warnings; Trace each line of the dialogue without secrets and
	// messages. Nil: none.
	Logger *slog.Logger
	Trace  func(sent bool, line string)

	renewals *renewals
	claims   *remote.Claims[uint32]
}

// withDefaults fills what is left empty.
func (o Options) withDefaults() Options {
	o.Mailbox = cmp.Or(o.Mailbox, "INBOX")
	o.Connections = max(o.Connections, 1)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	o.AppendTimeout = cmp.Or(o.AppendTimeout, 5*time.Minute)
	o.Settle = cmp.Or(o.Settle, 10*time.Second)
	o.claims = cmp.Or(o.claims, newClaims(o.Claims))
	o.renewals = cmp.Or(o.renewals, new(renewals))
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// name is how errors call the server.
func (o *Options) name() string { return "imap " + net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) }
