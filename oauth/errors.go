package oauth

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of failure it is, and so who can do something about it.
type Kind uint8

const (
	// KindFailed is permanent for all we know.
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

// String returns a word for logs.
func (k Kind) String() string {
	names := [...]string{"failed", "needs-login", "denied", "expired", "temporary", "config", "protocol", "untrusted", "storage"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

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

	hint string
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

// Hint says what a person can do about it; empty if we do not know.
func (e *Error) Hint() string {
	var parts []string
	if e.Kind == KindNeedsLogin {
		account := e.Account
		if account == "" {
			account = "ACCOUNT"
		}
		parts = append(parts, "run `mailhaul login "+account+"`")
	}
	if h := cmp.Or(e.hint, e.general()); h != "" {
		parts = append(parts, h)
	}
	if !e.Interrupted.IsZero() {
		parts = append(parts, fmt.Sprintf("a refresh at %s was interrupted before its answer was kept, "+
			"and this provider does not take the old refresh token again", e.Interrupted.Format(time.DateTime)))
	}
	if e.Skew != 0 {
		parts = append(parts, fmt.Sprintf("the provider's clock differs from this machine's by %v: set the clock", e.Skew.Round(time.Second)))
	}
	return strings.Join(parts, "; ")
}

// general is what the kind alone says to do.
func (e *Error) general() string {
	who := "the provider of the login"
	if e.Host != "" {
		who += ", " + e.Host + ","
	}
	switch {
	case e.Op == "token store", e.Op == "oauth":
		return ""
	case e.Op == "client secret":
		return "client_secret could not be had, and nothing was sent: look at where it comes from, as the user who runs this"
	case !e.Until.IsZero():
		return who + " asks to wait until " + e.Until.Format(time.DateTime) + ": a later run tries again by itself"
	case e.Kind == KindTemporary && e.Status == 0 && e.Code == "":
		return who + " cannot be reached now: is this machine online, or is there a proxy to name in `proxy:` or HTTPS_PROXY?"
	case e.Kind == KindTemporary:
		return "the provider of the login is busy or down: a later run tries again by itself"
	case e.Kind == KindProtocol && e.Status != 0:
		return who + " did not answer: is token_url right, and does this network ask for a login in the browser first, or a proxy answer?"
	case e.Kind == KindUntrusted:
		return "this is the certificate of the provider of the login, not of the mail server: does a firewall or virus scanner read the traffic " +
			"(its root belongs into the system's store), or is the provider your own (ca_file counts for provider: custom)?"
	case e.Kind == KindFailed && (e.Status != 0 || e.Code != ""):
		return who + " refused: check oauth: in the configuration and the registration there"
	}
	return ""
}
