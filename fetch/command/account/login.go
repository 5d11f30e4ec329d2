package account

import (
	"context"
	"fmt"
	"sync"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
)

// secretFunc yields a secret when it is needed.
type secretFunc func(ctx context.Context) (string, error)

// logins are the ways to log in that the account holds a secret for, strongest
// first.
func (b *Builder) logins(a *config.Account) ([]pop3.Login, error) {
	l := loginBuilder{r: &a.Remote, user: a.User, password: a.Password.Resolve}
	if a.Policy.Gmail == plan.GmailRecent {
		l.user = "recent:" + l.user
	}
	var err error
	if l.token, err = b.token(a); err != nil {
		return nil, err
	}
	if a.Password.IsZero() && a.Auth == sasl.Auto {
		l.password = b.ask(a)
	}
	return l.all(), nil
}

// ask takes the password from the terminal, for an account that names none,
// unless it was given since.
func (b *Builder) ask(a *config.Account) secretFunc {
	return func(ctx context.Context) (string, error) {
		if !a.Password.IsZero() {
			return a.Password.Resolve(ctx)
		}
		return b.askFor(ctx, PasswordPrompt(a))
	}
}

// askTarget does so for the mailbox of a target; once, since it may need several
// connections.
func (b *Builder) askTarget(r *config.Remote) secretFunc {
	var mu sync.Mutex
	var known string
	return func(ctx context.Context) (_ string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if known == "" {
			known, err = b.askFor(ctx, fmt.Sprintf("Password for %s at %s, where the mail goes: ", term.Printable(r.User), r.Server.Host))
		}
		if err != nil {
			return "", advice.Give(err, advice.TargetPassword)
		}
		return known, nil
	}
}

// PasswordPrompt asks for the password of an account.
func PasswordPrompt(a *config.Account) string {
	return fmt.Sprintf("Password for %s at %s: ", term.Printable(a.User), a.Server.Host)
}

// AsksForPassword reports whether a login of the account will ask for the
// password.
func AsksForPassword(a *config.Account) bool {
	return a.Auth == sasl.Auto && a.Password.IsZero() && a.Token.IsZero() && a.OAuth == nil
}

// token is where the account's access tokens come from; nil: from nowhere.
func (b *Builder) token(a *config.Account) (secretFunc, error) {
	switch {
	case !a.Token.IsZero():
		return a.Token.Resolve, nil
	case a.OAuth != nil:
		t, err := b.Tokens(a)
		if err != nil {
			return nil, err
		}
		return t.Get, nil
	}
	return nil, nil
}

// loginBuilder makes the logins at one server.
type loginBuilder struct {
	r               *config.Remote
	user            string
	password, token secretFunc // token is nil if there is none
}

// all are the one that is named, or those that fit the secrets.
func (b loginBuilder) all() (out []pop3.Login) {
	if b.r.Auth != sasl.Auto {
		return []pop3.Login{b.method(b.r.Auth, true)}
	}
	have := sasl.Secrets{
		Password:    !b.r.Password.IsZero() || b.token == nil,
		Token:       b.token != nil,
		Certificate: b.r.TLS.ClientCert != "",
	}
	overTLS := b.r.Server.Security != pop3.Plain || b.r.Server.Insecure
	for _, m := range sasl.Order(have, overTLS) {
		out = append(out, b.method(m, false))
	}
	return out
}

// method returns the login by one method.
func (b loginBuilder) method(m sasl.Method, named bool) pop3.Login {
	secret := b.password
	if m == sasl.XOAUTH2 || m == sasl.OAUTHBEARER {
		secret = b.token
	}
	l := pop3.LoginBy(m, b.user, secret)
	l.Named = named
	switch m {
	case sasl.External:
		l.New = func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
			return sasl.NewExternal(b.user, b.r.TLS.ClientCert != ""), nil
		}
	case sasl.GSSAPI:
		l.New = func(_ context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
			return gssapi.New("", b.r.Kerberos, ch), nil
		}
	}
	return l
}
