package account

import (
	"context"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
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
	return pop3.Login{
		Name:     m.Name(),
		User:     b.user,
		Password: b.password,
		New:      b.mechanism(m),
		Strength: uint8(m.Class()),
		Clear:    m.NeedsTLS() && m.Class() != sasl.ClassBound,
		Named:    named,
	}
}

// mechanism makes the SASL exchange of a method; nil for USER and APOP.
func (b loginBuilder) mechanism(m sasl.Method) func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
	withPassword := func(mech func(password string, ch sasl.Channel) sasl.Mechanism) func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
		return b.with(b.password, mech)
	}
	switch m {
	case sasl.Plain:
		return withPassword(func(p string, _ sasl.Channel) sasl.Mechanism { return sasl.NewPlain("", b.user, p) })
	case sasl.Login:
		return withPassword(func(p string, _ sasl.Channel) sasl.Mechanism { return sasl.NewLogin(b.user, p) })
	case sasl.CRAMMD5:
		return withPassword(func(p string, _ sasl.Channel) sasl.Mechanism { return sasl.NewCRAMMD5(b.user, p) })
	case sasl.DIGESTMD5:
		return withPassword(func(p string, ch sasl.Channel) sasl.Mechanism { return sasl.NewDIGESTMD5(b.user, p, ch) })
	case sasl.SCRAMSHA1, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA256PLUS:
		return withPassword(func(p string, ch sasl.Channel) sasl.Mechanism { return sasl.NewSCRAM(m.Name(), b.user, p, ch) })
	case sasl.XOAUTH2:
		return b.with(b.token, func(t string, _ sasl.Channel) sasl.Mechanism { return sasl.NewXOAUTH2(b.user, t) })
	case sasl.OAUTHBEARER:
		return b.with(b.token, func(t string, ch sasl.Channel) sasl.Mechanism { return sasl.NewOAuthBearer(b.user, t, ch) })
	case sasl.External:
		return func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
			return sasl.NewExternal(b.user, b.a.TLS.ClientCert != ""), nil
		}
	case sasl.GSSAPI:
		return func(_ context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
			return sasl.NewGSSAPI("", b.a.Kerberos, ch), nil
		}
	}
	return nil
}

// with resolves a secret and makes the mechanism with it.
func (b loginBuilder) with(secret secretFunc, mech func(string, sasl.Channel) sasl.Mechanism) func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
	return func(ctx context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
		if secret == nil {
			return nil, fmt.Errorf("no secret configured")
		}
		s, err := secret(ctx)
		if err != nil {
			return nil, err
		}
		return mech(s, ch), nil
	}
}
