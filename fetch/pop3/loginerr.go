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

// NoSecret reports whether the password or token could not be had: the server has
// not been asked.
func (e *LoginError) NoSecret() bool { return errors.As(e.Err, new(*noSecretError)) }

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
	return target == ErrInsecure && slices.ContainsFunc(e.Skipped, func(s SkippedLogin) bool { return errors.Is(s.Why, ErrInsecure) })
}
