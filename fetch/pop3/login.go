package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// Login logs in with the first usable one of Server.Logins. One is usable if the
// server announces it, or if it is Named; USER also without a reply to CAPA; APOP
// only if it is Named and the greeting holds a valid challenge. Logins that are
// Clear, and APOP, need TLS or Server.Insecure.
//
// After a refusal no second login is tried: providers lock accounts for that. A
// server that announces a mechanism and does not know it has refused nothing: USER
// follows, if no secret was sent. The error is a *NoLoginError (nothing was sent),
// a *LoginError, or that of a broken connection.
func (c *Client) Login(ctx context.Context) error {
	return c.run(ctx, func() error {
		return c.s.step("login", func() error { return c.doLogin(ctx) })
	})
}

func (c *Client) doLogin(ctx context.Context) error {
	logins := c.s.Logins
	var skipped []SkippedLogin
	var failed error
	for {
		i, why := pickLogin(logins, c.caps, c.greeting, c.tls != nil, c.s.Insecure)
		skipped = append(skipped, why...)
		if i < 0 {
			return cmp.Or(failed, error(&NoLoginError{Offered: offered(c.caps), STLS: c.tls == nil && c.caps.Has("STLS"), Skipped: skipped}))
		}
		l := logins[i]
		a := attempt{dialogue: &c.dialogue, login: l, greeting: c.greeting, tls: c.tls}
		err := a.try(ctx)
		if err == nil {
			c.login, c.strength = l.Name, l.Strength
			return nil
		}
		var unknown *unknownMechError
		switch {
		case errors.Is(err, sasl.ErrNoBinding): // a -PLUS form that this TLS cannot have: nothing was sent
			skipped, logins = append(skipped, SkippedLogin{Login: l.Name, Why: sasl.ErrNoBinding}), logins[i+1:]
		case errors.As(err, &unknown) && !unknown.secretSent:
			failed, logins = c.loginFailed(l.Name, err), onlyUser(logins[i+1:])
		default:
			return c.loginFailed(l.Name, err)
		}
	}
}

// onlyUser keeps USER: a server that does not know one mechanism that it announces
// may not know any.
func onlyUser(logins []Login) []Login {
	i := slices.IndexFunc(logins, func(l Login) bool { return l.Name == "USER" })
	if i < 0 {
		return nil
	}
	return logins[i : i+1]
}

// attempt is one login.
type attempt struct {
	*dialogue
	login    Login
	greeting string
	tls      *tls.ConnectionState
}

func (a *attempt) try(ctx context.Context) error {
	switch a.login.Name {
	case "USER":
		return a.userPass(ctx)
	case "APOP":
		return a.apop(ctx)
	case "KPOP":
		return a.kpopUser()
	}
	return a.sasl(ctx)
}

// loginFailed wraps a refused login; the error of a broken session stays as it is.
func (c *Client) loginFailed(name string, err error) error {
	if c.err != nil {
		return err
	}
	return &LoginError{Login: name, Err: err}
}

// pickLogin returns the index of the login to use, -1 for none.
func pickLogin(logins []Login, caps Capabilities, greeting string, isTLS, insecure bool) (int, []SkippedLogin) {
	var skipped []SkippedLogin
	for i, l := range logins {
		why := unusable(l, caps, greeting, isTLS || insecure)
		if why == nil {
			return i, nil
		}
		skipped = append(skipped, SkippedLogin{Login: l.Name, Why: why})
	}
	return -1, skipped
}

var (
	errNotAnnounced = errors.New("not announced")
	errNotNamed     = errors.New("used only when asked for by name")
)

// unusable returns why a login cannot be used, or nil. Safe means that nobody else
// can read the connection, or that it does not matter.
func unusable(l Login, caps Capabilities, greeting string, safe bool) error {
	switch {
	case l.Name == "APOP" && !l.Named:
		return errNotNamed
	case l.Name == "APOP":
		if _, err := apopChallenge(greeting); err != nil {
			return err
		}
	case l.Named:
	case l.Name == "USER":
		if caps.Known() && !caps.Has("USER") {
			return errNotAnnounced
		}
	case !slices.Contains(caps.Mechanisms(), l.Name):
		return errNotAnnounced
	}
	if !safe && (l.Clear || l.Name == "APOP" || l.Name == "USER") {
		return ErrInsecure
	}
	return nil
}

func offered(caps Capabilities) []string {
	var out []string
	if caps.Has("USER") {
		out = append(out, "USER")
	}
	return append(out, caps.Mechanisms()...)
}

// secret asks for the user name and password of USER and APOP.
func secret(ctx context.Context, l Login) (string, error) {
	if err := lineSafe("user name", l.User); err != nil {
		return "", err
	}
	if l.Password == nil {
		return "", errors.New("no password given")
	}
	password, err := l.Password(ctx)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return password, lineSafe("password", password)
}

// lineSafe refuses characters that would end the command line and begin another.
func lineSafe(what, s string) error {
	if strings.ContainsAny(s, "\r\n\x00") {
		return fmt.Errorf("%s holds a line break or NUL, which no login can send: look at where it comes from", what)
	}
	return nil
}
