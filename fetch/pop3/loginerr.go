package pop3

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// LoginError means that a login was tried and failed.
type LoginError struct {
	// Login is the name of the login that was tried.
	Login string
	// Err is what happened: an *Error if the server refused, else the
	// mechanism's own error. AfterLogin is set if the server accepted the
	// login and then refused the first STAT, as Exchange Online does when the
	// token is that of another user.
	Err        error
	AfterLogin bool
}

// Error implements error.
func (e *LoginError) Error() string {
	what := "login"
	if e.AfterLogin {
		what = "login accepted, but unusable"
	}
	return fmt.Sprintf("%s (%s): %v", what, strings.ToLower(e.Login), e.Err)
}

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }

// Temporary reports whether the server said that it may work later.
func (e *LoginError) Temporary() bool {
	var refused *Error
	return !e.Unknown() && errors.As(e.Err, &refused) && refused.Temporary()
}

// Unknown reports whether the server does not know the command or mechanism,
// so that the refusal says nothing of the user name or password.
func (e *LoginError) Unknown() bool { return errors.As(e.Err, new(*unknownMechError)) }

// Unbound reports whether the server refused the channel binding of a -PLUS
// mechanism, and not the password.
func (e *LoginError) Unbound() bool {
	var refused *Error
	if errors.As(e.Err, new(*sasl.BindingError)) {
		return true
	}
	return strings.HasSuffix(e.Login, "-PLUS") && errors.As(e.Err, &refused) && refused.ofBinding()
}

// unknownMechError is the refusal of an AUTH that the server does not know.
// SecretSent means that the command held the secret.
type unknownMechError struct {
	refused    *Error
	secretSent bool
}

func (e *unknownMechError) Error() string { return e.refused.Error() }

// Unwrap returns the server's refusal.
func (e *unknownMechError) Unwrap() error { return e.refused }

// noSecretError means that the password or token for a login could not be had:
// the server has not been asked.
type noSecretError struct{ err error }

func (e *noSecretError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *noSecretError) Unwrap() error { return e.err }

// Hint says what most often is behind a refused login.
func (e *LoginError) Hint() string {
	var refused *Error
	if errors.As(e.Err, new(*noSecretError)) {
		return hintOf(e.Err)
	}
	if !errors.As(e.Err, &refused) {
		return cmp.Or(hintOf(e.Err), "the login was given up; name another one with `auth`; if it worked before, somebody may be in between: "+
			"`mailhaul check --connect` shows the certificate")
	}
	switch {
	case e.Unknown():
		return "the server does not know " + e.Login + ", whatever it announces: set `auth: password` in the configuration file to log in by USER and PASS"
	case e.Unbound():
		return "the server cannot verify the binding to the TLS connection: `auth: " + strings.ToLower(strings.TrimSuffix(e.Login, "-PLUS")) + "` logs in without it"
	}
	if h := refused.Hint(); h != "" {
		return h
	}
	switch refused.Refusal() {
	case RefusedForNow:
		return ""
	case RefusedQuota:
		return "the mailbox is full: make room in the provider's web mail, or ask its support"
	case RefusedAccount:
		return "the provider does not let this account in: log in to its web mail, look at the settings for POP3, or ask its support"
	}
	switch {
	case e.AfterLogin:
		return "the login is good, but for another mailbox: does the token or password belong to this user name?"
	case e.Login == "XOAUTH2" || e.Login == "OAUTHBEARER":
		return "log in anew with `mailhaul login`; is the token for this user and for POP, and is POP3 enabled for the mailbox?"
	}
	return "are user name (often the whole address) and password right? many providers want an app password, and POP3 enabled in their settings"
}

// NoLoginError means that none of our logins could be used; nothing was sent.
// errors.Is(err, ErrInsecure) holds if the lack of TLS alone ruled one out.
type NoLoginError struct {
	// Offered is what the server announced ("USER", SASL mechanisms), escaped;
	// nil if it announced nothing. STLS is set if it offers that, and the
	// session has no TLS.
	Offered []string
	STLS    bool
	// Skipped says for each of Server.Logins why it was not used.
	Skipped []SkippedLogin
}

// SkippedLogin is a login that was not used, and why.
type SkippedLogin struct {
	Login string
	Why   error
}

// Error implements error.
func (e *NoLoginError) Error() string {
	var b strings.Builder
	b.WriteString("no usable login: server offers ")
	offers := e.Offered
	if e.STLS {
		offers = append(slices.Clone(offers), "STLS")
	}
	b.WriteString(cmp.Or(strings.Join(offers, ", "), "none"))
	for _, s := range e.Skipped {
		fmt.Fprintf(&b, "; %s: %v", strings.ToLower(s.Login), s.Why)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrInsecure) hold where that is the reason.
func (e *NoLoginError) Is(target error) bool {
	for _, s := range e.Skipped {
		if target == ErrInsecure && errors.Is(s.Why, ErrInsecure) {
			return true
		}
	}
	return false
}

// Hint says what may help.
func (e *NoLoginError) Hint() string {
	if e.STLS {
		return "the server offers STLS on this port: use it (tls: stls, or --from pop3://)"
	}
	if e.Is(ErrInsecure) {
		return "use TLS (tls: implicit or stls, or --from pop3s:// or pop3://), or allow it with insecure: true or --insecure"
	}
	return "no password was sent; see `auth` in mailhaul.yaml(5): a login that is named there is used although the server does not announce it"
}
