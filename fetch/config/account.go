package config

import (
	"net/netip"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
	"github.com/mailhaul/mailhaul/fetch/schedule"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// Account is one maildrop and where its mail goes. It is what the user wrote
// with the defaults filled in; nothing changes it after Load.
type Account struct {
	// Name is the key under accounts.
	Name string
	// ID names the state: id, else user@host, with :port when it is not the
	// usual one (995, 110; 109 of POP2, 1109 of KPOP). Unique in a Config.
	ID string
	// Enabled is whether the account is fetched when none is named.
	Enabled bool

	Remote
	UTF8 session.UTF8

	// Deliver has at least one target.
	Deliver []Target
	// Policy and Limits say what is retrieved and what is deleted.
	Policy plan.Policy
	Limits plan.Limits
	Dedupe Dedupe

	// Schedule is when loop fetches.
	Schedule schedule.Schedule
	// Before and After are commands run before and after a run; nil: none.
	Before, After []string
	Alert         Alert
	// Source is where the account is from; empty: the configuration file. Sum changes
	// with what that says of it.
	Source string
	Sum    uint64
	// Helper is how long a helper may take: a command for a secret, a hook or an
	// alert, and a call to the keyring. 0: what is usual for each.
	Helper time.Duration
}

// Remote is a server that one logs in to: an account's, or that of a target.
type Remote struct {
	// Server is what a session reads, except what is made from files and secrets:
	// TLS, Logins and Dial. Host and Port are always set. Insecure is also set for
	// this machine and for a tunnel.
	Server pop3.Server
	// TLS has the rest of what protects the connection.
	TLS   TLS
	Route Route
	Login
}

// TLS says whom to trust and who we are. The files are read when they are used.
type TLS struct {
	// CAFile replaces the system's roots. One of Pins (SHA-256 of the
	// SubjectPublicKeyInfo) must match, if there are any.
	CAFile, ServerName string
	Pins               [][32]byte
	// ClientCert and ClientKey are PEM files.
	ClientCert, ClientKey string
	// MinVersion is a crypto/tls version. Legacy allows ciphers that are broken.
	MinVersion uint16
	Legacy     bool
}

// Route is the way to the server: at most one of Proxy and Tunnel (a command
// whose stdin and stdout are the connection). Bind is the local address.
type Route struct {
	Proxy  *Proxy
	Tunnel []string
	Bind   netip.Addr
}

// Login is the user and the secrets. With sasl.Auto any of the secrets may be
// missing.
type Login struct {
	User     string
	Auth     sasl.Method
	Password Secret
	Token    Secret
	OAuth    *OAuth
	Kerberos gssapi.Kerberos
}

// Dedupe looks for a message in an existing target before delivering.
type Dedupe struct {
	By     DedupeBy
	Action Duplicate
}

// Alert warns people when an account has had no success for After.
type Alert struct {
	// Command is run, Webhook is sent a POST. Nil and empty: none.
	Command []string
	Webhook string
	After   time.Duration
	// Ping is a healthcheck URL, called at each start, success and failure.
	Ping string
}

// newAccount returns the built-in defaults.
func newAccount() Account {
	return Account{
		Enabled:  true,
		Remote:   NewRemote(),
		Schedule: schedule.Schedule{Every: 15 * time.Minute},
		Policy:   plan.Policy{Poison: plan.DefaultPoison, ForgetAfter: plan.DefaultForgetAfter},
		Alert:    Alert{After: day},
	}
}

// usualPort is the port of a server that is named without one.
func (r *Remote) usualPort() int {
	if r.Auth == sasl.KPOP {
		return 1109
	}
	return r.Server.Security.Port()
}

// defaultID names the state of an account that does not set id.
func defaultID(a *Account) string {
	if a.Server.Port == a.usualPort() {
		return a.User + "@" + a.Server.Host
	}
	return a.User + "@" + a.Server.Address()
}
