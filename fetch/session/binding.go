package session

import (
	"errors"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Unbound leaves out the logins with channel binding, for a server that
// announces one that it cannot verify. As long as that is a guess, only SCRAM
// without it is left: whoever is in between could make the same refusal, and
// must not get the password itself by it.
func Unbound(logins []pop3.Login, guess bool) []pop3.Login {
	var out []pop3.Login
	for _, l := range logins {
		bound := strings.HasSuffix(l.Name, "-PLUS")
		if !bound && (!guess || strings.HasPrefix(l.Name, "SCRAM-")) {
			out = append(out, l)
		}
	}
	return out
}

// logins are those of the account that the server can be expected to bear.
func (d *Dialer) logins() []pop3.Login {
	if !d.Facts.NoBinding {
		return d.Server.Logins
	}
	if rest := Unbound(d.Server.Logins, d.Facts.NoBindingAt.IsZero()); len(rest) > 0 {
		return rest
	}
	return d.Server.Logins // the account insists on the binding
}

// bindingQuirk notes that the server cannot verify the channel binding, if err
// shows that, and reports whether another session without it is worth a try.
func (d *Dialer) bindingQuirk(err error) bool {
	var login *pop3.LoginError
	if !errors.As(err, &login) || !login.Unbound() || d.Facts.NoBinding || len(Unbound(d.Server.Logins, true)) == 0 {
		return false
	}
	d.Facts.NoBindingAt = time.Time{} // a guess, see logins
	d.noteQuirk(&d.Facts.NoBinding, &d.Facts.NoBindingAt, "announces SCRAM with channel binding (-PLUS) and cannot verify it: logging in by SCRAM without it from now on; "+
		"an account that names SCRAM-SHA-256-PLUS as its login insists on it")
	d.quirks[len(d.quirks)-1].login = true
	return true
}
