package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/login"
)

// Kind is the Intent.Kind of this package.
const Kind = "smtp"

// Security says how the connection is protected. The zero value is the safe
// one.
type Security uint8

const (
	// StartTLS upgrades the connection (RFC 3207). A relay that does not
	// offer it, or refuses it, is an error: there is no downgrade.
	StartTLS Security = iota
	// ImplicitTLS starts TLS before the greeting (RFC 8314).
	ImplicitTLS
	// NoTLS uses no TLS.
	NoTLS
)

// String names it as people do.
func (s Security) String() string {
	return [...]string{"starttls", "implicit", "none"}[min(s, NoTLS)]
}

// Options describe one relay. They are not changed after New.
type Options struct {
	// LMTP selects RFC 2033 instead of SMTP.
	LMTP bool
	// Network is "tcp" or "unix"; Address a host:port, or a path.
	Network, Address string
	// Host is the name that the relay's certificate must carry. Empty: the
	// host of Address.
	Host string
	// To are the recipients for envelopes that name none.
	To []string
	// From is the sender of messages without Return-Path; may be empty (<>).
	From string

	// Security is how the connection is protected, and TLS the client's TLS
	// configuration; nil means Go's defaults.
	Security Security
	TLS      *tls.Config
	// Insecure allows a password or token to be sent without TLS. Over a unix socket
	// and to a loopback address it always is.
	Insecure bool
	// Logins are the ways to log in, strongest first. None: no login.
	Logins []login.Login
	// Helo is the name we greet with. Empty: the machine's name if it has a
	// dot, else our end's address.
	Helo string

	// Timeout bounds connecting, each reply, and each block of a message that
	// is sent; zero: 5 minutes (RFC 5321 section 4.5.3.2), connecting 30 s.
	Timeout time.Duration
	// FinalTimeout bounds the wait for the reply to the final dot; zero: 10
	// minutes. Giving up earlier is what makes duplicates.
	FinalTimeout time.Duration
	// Logger gets warnings and, at debug level, the relay's replies. Nil:
	// none.
	Logger *slog.Logger
	// Dial replaces net.Dialer.DialContext. Nil for the usual case.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	connectTimeout = 30 * time.Second
	// quitTimeout bounds the farewell, of which nothing depends.
	quitTimeout = 2 * time.Second
	// cancelGrace is how long a reply to the final dot is still waited for
	// once the run is cancelled: cutting it off would risk a duplicate.
	cancelGrace = 5 * time.Second
)

// withDefaults fills what is left empty.
func (o Options) withDefaults() Options {
	o.Network = cmp.Or(o.Network, "tcp")
	if o.Host == "" && o.Network != "unix" {
		o.Host, _, _ = net.SplitHostPort(o.Address)
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.FinalTimeout <= 0 {
		o.FinalTimeout = 10 * time.Minute
	}
	if o.Helo == "" {
		o.Helo = machineName()
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: min(o.Timeout, connectTimeout)}).DialContext
	}
	return o
}

// machineName is the host name if it has a domain and EHLO can carry it, else
// empty: relays refuse names without a dot.
func machineName() string {
	name, err := os.Hostname()
	if err != nil || len(name) > 255 || !strings.Contains(strings.Trim(name, "."), ".") {
		return ""
	}
	for i := range len(name) {
		c := name[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && c != '-' && c != '.' {
			return ""
		}
	}
	return name
}

// tlsConfig is the configuration for one handshake.
func (o *Options) tlsConfig() *tls.Config {
	c := cmp.Or(o.TLS.Clone(), &tls.Config{})
	c.ServerName = cmp.Or(c.ServerName, o.Host)
	return c
}

// name is how errors call the relay.
func (o *Options) name() string {
	if o.LMTP {
		return "lmtp " + o.Address
	}
	return "smtp " + o.Address
}
