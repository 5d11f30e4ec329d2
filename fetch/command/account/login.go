package account

import (
	"context"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/target"
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
// first. Renew replaces a token that the server refused; nil: there is no other.
func (b *Builder) logins(a *config.Account) (list []pop3.Login, renew func(context.Context) error, err error) {
	l := loginBuilder{r: &a.Remote, user: a.User, password: a.Password.Resolve}
	if a.Policy.Gmail == plan.GmailRecent {
		l.user = "recent:" + l.user
	}
	if renew, err = b.addTokens(&l); a.OAuth == nil || err != nil {
		renew = nil
	}
	if a.Password.IsZero() && a.Auth == sasl.Auto {
		l.password = b.ask(Unknown{Remote: &a.Remote})
	}
	return l.all(), renew, err
}

// addTokens gives a login its tokens, if it has any, and returns what replaces one
// that was refused.
func (b *Builder) addTokens(l *loginBuilder) (renew func(context.Context) error, err error) {
	from, err := b.tokensOf(l.r)
	if err != nil || from == nil {
		return nil, err
	}
	t := &lastToken{from: from}
	l.token = t.get
	return t.renew, nil
}

// Unknown is a server whose password is kept nowhere.
type Unknown struct {
	*config.Remote
	Prompt string // says which password it asks for
	target bool
}

// UnknownPasswords are those that logins of an account, and of its targets, will
// ask for.
func UnknownPasswords(a *config.Account) (list []Unknown) {
	all := []Unknown{{Remote: &a.Remote}}
	for _, t := range a.Deliver {
		if r, ok := t.(target.Remoter); ok && r.Remote().User != "" {
			all = append(all, Unknown{Remote: r.Remote(), target: true})
		}
	}
	for _, u := range all {
		if u.Auth == sasl.Auto && u.Password.IsZero() && u.Token.IsZero() && u.OAuth == nil {
			list = append(list, u.named())
		}
	}
	return list
}

func (u Unknown) named() Unknown {
	u.Prompt = fmt.Sprintf("Password for %s at %s: ", term.Printable(u.User), u.Server.Host)
	if u.target {
		u.Prompt = fmt.Sprintf("Password for %s at %s, where the mail goes: ", term.Printable(u.User), u.Server.Host)
	}
	return u
}

// ask takes a password from the terminal, unless it was given since.
func (b *Builder) ask(u Unknown) secretFunc {
	return func(ctx context.Context) (string, error) {
		if !u.Password.IsZero() {
			return u.Password.Resolve(ctx)
		}
		password, err := b.askFor(ctx, u.named().Prompt)
		if err != nil && u.target {
			err = advice.Give(err, advice.TargetPassword)
		}
		return password, err
	}
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
	overTLS := !b.r.Server.Security.Clear() || b.r.Server.Insecure
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
	case sasl.KPOP:
		l.New = func(_ context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
			return gssapi.NewKPOP(b.r.Kerberos, ch), nil
		}
	}
	return l
}
