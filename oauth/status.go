package oauth

import (
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// Status is what is known of an account's tokens without asking the provider.
type Status struct {
	// Flow and Provider are those of the configuration.
	Flow     provider.Flow
	Provider string
	// LoggedIn is when a person last logged in, Refreshed when the access
	// token was issued, ValidUntil when it ends; zero if there is none.
	LoggedIn, Refreshed, ValidUntil time.Time
	Scopes                          []string
	// LoginUntil is when the login itself ends if nothing is done: at the
	// time the provider named, or from lack of use. Zero: not known. A run
	// before then may move it.
	LoginUntil time.Time
	// NeedsLogin means that the next run will fail; Reason says why.
	NeedsLogin bool
	Reason     string
	// Warning is what will go wrong soon, or what a person should know; may
	// be empty.
	Warning string
}

// Status reads the store's file only, also of tokens in the keyring. An account without tokens is no error.
func (s *Source) Status() (Status, error) {
	c := s.client
	st := Status{Flow: c.conf.Flow, Provider: c.preset.Name}
	r, err := s.store.peek(s.account)
	switch {
	case errors.Is(err, ErrNoTokens):
		st.NeedsLogin = attended(c.conf.Flow)
		if st.NeedsLogin {
			st.Reason = "never logged in, or logged out"
		}
		return st, nil
	case err != nil:
		return st, s.named(err)
	}
	if err := s.belongs(r); err != nil {
		st.NeedsLogin, st.Reason = attended(c.conf.Flow), err.Error()
		return st, nil
	}
	st.LoggedIn, st.Refreshed, st.ValidUntil, st.Scopes = r.LoggedIn, r.Issued, r.Expiry, r.Scopes
	if attended(c.conf.Flow) {
		st.judge(s.client, r, time.Now())
	}
	return st, nil
}

// warnAhead is how long before a login's end status warns.
const warnAhead = 14 * day

// judge fills in how the login of a person stands.
func (st *Status) judge(c *Client, r *record, now time.Time) {
	st.LoginUntil = loginUntil(&c.preset, r)
	switch {
	case r.Refused != nil:
		st.NeedsLogin, st.Reason = true, r.Refused.error(c, r.Refreshing).Error()
	case !r.refreshable() && !now.Before(r.Expiry):
		st.NeedsLogin, st.Reason = true, "the access token has expired, and there is no refresh token"
	case st.LoginUntil.IsZero():
	case !now.Before(st.LoginUntil):
		st.Warning = "the login has probably expired: log in again"
	case st.LoginUntil.Sub(now) < warnAhead:
		st.Warning = "the login ends soon"
	}
	if st.Warning != "" && unpublished(&c.preset, r) {
		st.Warning += "; the registration seems to be in \"Testing\", where a login lasts 7 days: publish it"
	}
}

// unpublished reports whether the refresh token was given the short life of a
// registration that is not published.
func unpublished(p *provider.Preset, r *record) bool {
	life := p.TestingLifetime()
	return life > 0 && !r.RefreshExpiry.IsZero() && r.RefreshExpiry.Sub(r.LoggedIn) < life+day
}

// loginUntil is the earlier of what the provider said and the end by disuse.
func loginUntil(p *provider.Preset, r *record) time.Time {
	until := r.RefreshExpiry
	if p.RefreshIdle() > 0 && r.refreshable() {
		if idle := r.Issued.Add(p.RefreshIdle()); until.IsZero() || idle.Before(until) {
			until = idle
		}
	}
	return until
}
