package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// Kind says what sort of failure it is, and so who can do something about it.
type Kind uint8

const (
	// KindFailed is permanent as far as we know.
	KindFailed Kind = iota
	// KindNeedsLogin wants a person to log in again; trying again is useless.
	KindNeedsLogin
	// KindDenied means that the person or an administrator said no.
	KindDenied
	// KindExpired means that the person took too long.
	KindExpired
	// KindTemporary may work later: network, timeout, HTTP 429 and 5xx.
	KindTemporary
	// KindConfig means that the configuration or the registration is wrong.
	KindConfig
	// KindProtocol means that what answered does not speak OAuth2.
	KindProtocol
	// KindUntrusted means that the provider's certificate is not trusted.
	KindUntrusted
	// KindStorage means that tokens cannot be read or kept.
	KindStorage
)

var kindNames = []string{"failed", "needs-login", "denied", "expired", "temporary", "config", "protocol", "untrusted", "storage"}

// String returns a word for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

func kindNamed(name string) Kind { return Kind(max(slices.Index(kindNames, name), 0)) }

// Error is every failure of this package, except a context's end. None of its
// fields holds a token, a code or a secret.
type Error struct {
	Kind Kind
	// Op is what was tried: "login", "refresh", "revoke", "token store".
	Op string
	// Provider is the preset's name.
	Provider string
	// Host is where the request went; may be empty.
	Host string
	// Account is set by Source.
	Account string
	// Code is the provider's error code (RFC 6749 section 5.2), Text its
	// description, both escaped and cut; Status the HTTP status. Each may be
	// empty.
	Code, Text string
	Status     int
	// Number is Microsoft's for the error, without the letters AADSTS; may be empty.
	Number string
	// Flow is the flow of which a provider refused something.
	Flow provider.Flow
	// Scopes are those that it was asked for.
	Scopes []string
	// Err is the cause on our side; may be nil.
	Err error

	// Interrupted is when an earlier refresh began whose answer never
	// arrived here; zero if there was none.
	Interrupted time.Time
	// Skew is how far ahead of ours the provider's clock is; zero if not
	// known or small.
	Skew time.Duration
	// Until is when the provider may be asked again, by its Retry-After; zero
	// if it did not say.
	Until time.Time
	// Strays is how many answers came, while a person was waited for, that were not
	// to this login.
	Strays int
}

// What an Error tried (Op), where that says what to do about it.
const (
	OpLogin   = "login"
	OpSecret  = "client secret"
	OpKeyring = "keyring"
	OpStore   = "token store"
	OpRevoke  = "revoke"
	OpConfig  = "oauth"
)

var (
	// ErrNoAccess: the provider's answer is about who the person is, not about
	// access to mail.
	ErrNoAccess = errors.New("the answer has an id_token and no access_token")
	// ErrNoDevice: the provider has no device flow, or not for mail.
	ErrNoDevice = errors.New("the provider has no device flow for mail")
	// ErrPort: no loopback port could be had for the browser's return.
	ErrPort = errors.New("no port on this machine for the browser's answer")
)

// NoRefreshError means that a login would soon be over.
type NoRefreshError struct {
	// Offline: the scope for access without the person was asked for.
	Offline bool
}

// Error implements error.
func (*NoRefreshError) Error() string { return "the provider issued no refresh token" }

// ScopeError means that a login does not allow all that it is used for.
type ScopeError struct{ Lacking []string }

// Error implements error.
func (e *ScopeError) Error() string {
	return "the login does not allow all that the configuration uses it for: it lacks the scope " + strings.Join(e.Lacking, " and ")
}

// Error implements error, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	} else if e.Status != 0 && e.Err == nil {
		fmt.Fprintf(&b, ": HTTP status %d", e.Status)
	}
	if e.Text != "" {
		b.WriteString(`: "` + e.Text + `"`)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Kind == KindNeedsLogin {
		b.WriteString(" (needs login again)")
	}
	return b.String()
}

// Unwrap returns the cause on our side, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same may work later with nothing changed.
func (e *Error) Temporary() bool { return e.Kind == KindTemporary }

// NeedsLogin reports whether a person must log in again.
func (e *Error) NeedsLogin() bool { return e.Kind == KindNeedsLogin }
