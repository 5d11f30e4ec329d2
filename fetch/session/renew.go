package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// renew gets a new secret once in a run after the server refused a login whose
// secret can be renewed (an access token may have been revoked early), and
// reports whether another login is worth a try. If there is no new one, the
// error says so first: that is what a person has to see to.
func (d *Dialer) renew(ctx context.Context, err error) (bool, error) {
	var login *pop3.LoginError
	if d.Renew == nil || d.renewed || !errors.As(err, &login) || login.Temporary() {
		return false, err
	}
	if !errors.As(login.Err, new(*pop3.Error)) {
		return false, err // not the server's: there was no secret to send
	}
	d.renewed = true
	if none := d.Renew(ctx); none != nil {
		return false, fmt.Errorf("the server refused the token, and there is no new one: %w (it was refused with: %w)", none, err)
	}
	d.Journal.Log.Info("server refused the token: trying once more with a new one")
	return true, nil
}
