package fetch

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// renew gets a new secret once in a run after the server refused a login whose
// secret can be renewed (an access token may have been revoked early), and
// reports whether another login is worth a try.
func (r *run) renew(ctx context.Context, err error) bool {
	var login *pop3.LoginError
	if r.a.Renew == nil || r.triedRenew || !errors.As(err, &login) || login.Temporary() {
		return false
	}
	if !errors.As(login.Err, new(*pop3.Error)) {
		return false // not the server's: there was no secret to send
	}
	r.triedRenew = true
	if err := r.a.Renew(ctx); err != nil {
		r.log.Warn("no new token", "err", err)
		return false
	}
	r.log.Info("server refused the token: trying once more with a new one")
	return true
}
