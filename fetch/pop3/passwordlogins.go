package pop3

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// PasswordLogins are the logins with a user name and a password, strongest first,
// for Server.Logins: the SCRAM mechanisms, PLAIN, LOGIN, and USER with PASS. Those
// that give the server the password are used with TLS only (see Login.Clear and
// Server.Insecure). APOP, CRAM-MD5 and DIGEST-MD5 are not among them: who records
// such a login can guess passwords offline. See LoginBy for these.
func PasswordLogins(user, password string) []Login {
	secret := func(context.Context) (string, error) { return password, nil }
	var logins []Login
	for _, m := range sasl.Order(sasl.Secrets{Password: true}, true) {
		logins = append(logins, LoginBy(m, user, secret))
	}
	return logins
}

// LoginBy is the login by one method. The secret, which is asked for when it is
// needed, is a password, or an access token for sasl.XOAUTH2 and sasl.OAUTHBEARER.
// A login by sasl.External, sasl.GSSAPI or sasl.KPOP needs other things: the caller sets New.
// For a login that the server does not announce, set Named.
func LoginBy(m sasl.Method, user string, secret func(ctx context.Context) (string, error)) Login {
	return Login{
		Name:     m.Name(),
		User:     user,
		Password: secret,
		New:      mechanism(m, user, secret),
		Strength: uint8(m.Class()),
		Clear:    m.NeedsTLS() && m.Class() != sasl.ClassBound,
	}
}

// mechanism makes the SASL exchange of a method; nil for USER and APOP, and for
// what needs no secret of ours.
func mechanism(m sasl.Method, user string, secret func(context.Context) (string, error)) func(context.Context, sasl.Channel) (sasl.Mechanism, error) {
	var mech func(secret string, ch sasl.Channel) sasl.Mechanism
	switch m {
	case sasl.Plain:
		mech = func(s string, _ sasl.Channel) sasl.Mechanism { return sasl.NewPlain("", user, s) }
	case sasl.Login:
		mech = func(s string, _ sasl.Channel) sasl.Mechanism { return sasl.NewLogin(user, s) }
	case sasl.CRAMMD5:
		mech = func(s string, _ sasl.Channel) sasl.Mechanism { return sasl.NewCRAMMD5(user, s) }
	case sasl.DIGESTMD5:
		mech = func(s string, ch sasl.Channel) sasl.Mechanism { return sasl.NewDIGESTMD5(user, s, ch) }
	case sasl.SCRAMSHA1, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA256PLUS:
		mech = func(s string, ch sasl.Channel) sasl.Mechanism { return sasl.NewSCRAM(m.Name(), user, s, ch) }
	case sasl.XOAUTH2:
		mech = func(s string, _ sasl.Channel) sasl.Mechanism { return sasl.NewXOAUTH2(user, s) }
	case sasl.OAUTHBEARER:
		mech = func(s string, ch sasl.Channel) sasl.Mechanism { return sasl.NewOAuthBearer(user, s, ch) }
	default:
		return nil
	}
	return func(ctx context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
		if secret == nil {
			return nil, errors.New("no secret configured")
		}
		s, err := secret(ctx)
		if err != nil {
			return nil, err
		}
		return mech(s, ch), nil
	}
}
