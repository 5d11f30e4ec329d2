package account

import (
	"context"
	"fmt"

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
	user := a.User
	if a.Policy.Gmail == plan.GmailRecent {
		user = "recent:" + user
	}
	token, err := b.token(a)
	if err != nil {
		return nil, err
	}
	l := loginBuilder{a: a, user: user, password: a.Password.Resolve, token: token}
	if a.Auth != sasl.Auto {
		return []pop3.Login{l.method(a.Auth, true)}, nil
	}
	if a.Password.IsZero() {
		l.password = b.ask(a)
	}
	have := sasl.Secrets{
		Password:    !a.Password.IsZero() || l.token == nil,
		Token:       l.token != nil,
		Certificate: a.TLS.ClientCert != "",
	}
	overTLS := a.Server.Security != pop3.Plain || a.Server.Insecure
	var out []pop3.Login
	for _, m := range sasl.Order(have, overTLS) {
		out = append(out, l.method(m, false))
	}
	return out, nil
}

// ask takes the password from the terminal, for an account that names none.
func (b *Builder) ask(a *config.Account) secretFunc {
	return func(ctx context.Context) (string, error) {
		return b.askFor(ctx, fmt.Sprintf("Password for %s at %s: ", term.Printable(a.User), a.Server.Host))
	}
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

// loginBuilder makes the logins of one account.
type loginBuilder struct {
	a               *config.Account
	user            string
	password, token secretFunc
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
			return sasl.NewExternal(b.user, b.a.TLS.ClientCert != ""), nil
		}
	case sasl.GSSAPI:
		l.New = func(_ context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
			return gssapi.New("", b.a.Kerberos, ch), nil
		}
	}
	return l
}
