package config

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Account is one maildrop and where its mail goes. It is what the user wrote
// with the defaults filled in; nothing changes it after Load.
type Account struct {
	// Name is the key under accounts.
	Name string
	// ID names the state: id, else user@host, with :port when it is not the
	// usual one of the TLS mode (995, 110). Unique in a Config.
	ID string
	// Enabled is whether the account is fetched when none is named.
	Enabled bool

	// Server is where to connect; Port is always set.
	Server Server
	// TLS, and CAFile (replaces the system's roots), ServerName, Pins (SHA-256
	// of the SubjectPublicKeyInfo, any may match), ClientCert and ClientKey
	// (PEM files), MinVersion (a crypto/tls version) say how the connection is
	// protected. Legacy allows ciphers that are broken.
	TLS                   TLS
	CAFile, ServerName    string
	Pins                  [][32]byte
	ClientCert, ClientKey string
	MinVersion            uint16
	Legacy                bool
	// Insecure allows a login without TLS: see PlainAllowed.
	Insecure bool
	// Timeouts bound the waiting.
	Timeouts Timeouts
	// Proxy, Tunnel (a command whose stdin and stdout are the connection) and
	// Bind say how the server is reached. At most one of Proxy and Tunnel.
	Proxy  *Proxy
	Tunnel []string
	Bind   netip.Addr

	// User is the login name. Auth is how to log in; Password, Token and OAuth
	// are what with. Any may be missing with AuthAuto.
	User     string
	Auth     Auth
	Password Secret
	Token    Secret
	OAuth    *OAuth
	Krb      Krb
	UTF8     UTF8
	Lang     string

	// Deliver has at least one target.
	Deliver []Target
	// Keep says what stays on the server.
	Keep Keep
	// MaxSize is the largest message fetched; 0 for any.
	MaxSize int64
	Limit   Limit
	// To takes recipients from each message (a shared mailbox); nil: no.
	To *Multidrop
	// OnReject and Poison (failures in a row, 0 for never) say when a message
	// is set aside.
	OnReject OnReject
	Poison   int
	// Headers are fields added to each message.
	Headers Headers
	Dedupe  Dedupe
	// Remember is how long a seen message is remembered after the server last
	// listed it.
	Remember   time.Duration
	Pipelining Pipelining
	Gmail      Gmail

	// Every is loop's interval, 0 if Cron is set. Jitter is the most that is
	// added to a start. No run starts in Quiet.
	Every  time.Duration
	Cron   string
	Quiet  Window
	Jitter time.Duration
	// Before and After are commands run before and after a run; nil: none.
	Before, After []string
	Alert         Alert
}

// Server is a host and a TCP port, or a unix socket.
type Server struct {
	// Host is a name or an address without brackets, lower case.
	Host string
	Port int
	// Socket is the path of a unix socket (LMTP only); Host is then empty.
	Socket string
}

// String returns host:port, or the path of the socket.
func (s Server) String() string {
	if s.Socket != "" {
		return s.Socket
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// Local reports whether the server is this machine: no eavesdropper between.
func (s Server) Local() bool { return s.Socket != "" || Loopback(s.Host) }

// Loopback reports whether a host is this machine's loopback interface.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Timeouts bound the waiting for a server. 0 is unbounded (Session only).
type Timeouts struct{ Connect, Idle, Session time.Duration }

// Keep says what stays on the server. If All, everything; if None, nothing
// once delivered; else a delivered message is deleted when any rule that is
// not 0 says so: it is older than Days since first seen, not among the Newest,
// or what is newer fills Below bytes.
type Keep struct {
	All, None    bool
	Days, Newest int
	Below        int64
}

// Limit bounds one run (Messages, Bytes), one day (BytesPerDay) and the speed
// (Rate, bytes a second). 0 is no limit.
type Limit struct {
	Messages                 int
	Bytes, BytesPerDay, Rate int64
}

// Multidrop takes the recipient from a header field.
type Multidrop struct {
	// Header is the field's name, and Occurrence which one counts, from the
	// top of the message, 1 for the first.
	Header     string
	Occurrence int
	// Strip is removed from the start of the address.
	Strip string
}

// Headers are fields added to each message.
type Headers struct {
	// Received adds one trace field.
	Received bool
}

// Dedupe looks for a message in an existing target before delivering.
type Dedupe struct {
	By     DedupeBy
	Action Duplicate
}

// Alert tells people when an account has had no success for After.
type Alert struct {
	// Command is run, Webhook is sent a POST. Nil and empty: none.
	Command []string
	Webhook string
	After   time.Duration
	// Ping is a healthcheck URL told of each start, success and failure.
	Ping string
}

// Krb is what GSSAPI needs besides the user. Empty: Kerberos' own defaults.
type Krb struct {
	// Config, Ccache and Keytab are files; Principal is the client's, and
	// Service the server's (pop/HOST).
	Config, Ccache, Keytab, Principal, Service string
}

// PlainAllowed reports whether a reusable secret may be sent without TLS: to
// this machine, through a tunnel, or because the user says so.
func (a *Account) PlainAllowed() bool {
	return a.Insecure || len(a.Tunnel) > 0 || a.Server.Local()
}

// newAccount returns the built-in defaults.
func newAccount() Account {
	return Account{
		Enabled:    true,
		Timeouts:   Timeouts{Connect: 30 * time.Second, Idle: time.Minute},
		MinVersion: tls.VersionTLS12,
		Keep:       Keep{All: true},
		Every:      15 * time.Minute,
		Poison:     3,
		Remember:   90 * day,
		Alert:      Alert{After: day},
	}
}

// defaultPort is the registered port for POP3.
func defaultPort(t TLS) int {
	if t == TLSImplicit {
		return 995
	}
	return 110
}

// defaultID names the state of an account that does not set id.
func defaultID(a *Account) string {
	if a.Server.Port == defaultPort(a.TLS) {
		return a.User + "@" + a.Server.Host
	}
	return a.User + "@" + a.Server.String()
}
