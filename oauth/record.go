package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// recordFormat is the version of the JSON in a token file.
const recordFormat = 1

// clockStep is how far in the future a token may seem to have been issued
// before our clock is taken to have been set back since.
const clockStep = time.Minute

// record is one account's entry in the store.
type record struct {
	Format int `json:"format"`
	// Seq grows with each save; of two copies the higher is the newer.
	Seq uint64 `json:"seq"`
	// Provider, ClientID, TokenURL and Subject are what the tokens are good
	// for. They are never sent elsewhere.
	Provider string `json:"provider"`
	ClientID string `json:"client_id,omitempty"`
	TokenURL string `json:"token_url"`
	Subject  string `json:"subject,omitempty"`

	LoggedIn time.Time `json:"logged_in"`
	Issued   time.Time `json:"issued"`
	Expiry   time.Time `json:"expiry"`
	// RefreshExpiry is zero if the provider does not say.
	RefreshExpiry time.Time `json:"refresh_expiry,omitzero"`
	Scopes        []string  `json:"scopes,omitempty"`
	// Asked are the scopes that the login asked for; a record of before has none.
	Asked []string `json:"asked,omitempty"`
	// Refreshing is when a refresh was begun whose outcome is not in here.
	Refreshing time.Time `json:"refreshing,omitzero"`
	// NotBefore is when the provider may be asked again, by its Retry-After.
	NotBefore time.Time `json:"not_before,omitzero"`
	// AuthStyle is how the client authenticated, in the configuration's word.
	AuthStyle provider.AuthStyle `json:"auth_style,omitzero"`
	// Refused is the verdict on the refresh token in here.
	Refused *verdict `json:"refused,omitempty"`

	// Chunks is the number of keyring items that hold Tokens; zero if they
	// are in here.
	Chunks int     `json:"chunks,omitempty"`
	Tokens *tokens `json:"tokens,omitempty"`
	// NoRefresh reports that no token in the keyring is a refresh token.
	NoRefresh bool `json:"no_refresh,omitempty"`
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token,omitempty"`
}

// verdict is a refusal that only a login can cure.
type verdict struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
	Text string    `json:"text,omitempty"`
}

// apply takes a grant over. A provider that sends no refresh token leaves the
// old one valid (RFC 6749 section 6).
func (r *record) apply(g *grant) {
	old := r.Tokens
	r.Tokens = &tokens{Access: g.access, Refresh: g.refresh}
	if g.refresh == "" && old != nil {
		r.Tokens.Refresh = old.Refresh
	}
	if old == nil || r.Tokens.Refresh != old.Refresh || !g.refreshExpiry.IsZero() {
		r.RefreshExpiry = g.refreshExpiry
	}
	r.Issued, r.Expiry, r.Scopes = g.issued, g.expiry, g.scopes
	r.Refreshing, r.NotBefore, r.Refused = time.Time{}, time.Time{}, nil
	r.AuthStyle = g.style
}

// lacks are those of the scopes that the login did not get: they were neither granted
// nor, as some providers report others than they grant, asked for. A record that
// does not say what was asked for is of a time when that was POP3, or what the
// configuration names. Named: the scopes are not the preset's.
func (r *record) lacks(p *provider.Preset, scopes []string, named bool) []string {
	have := slices.Concat(r.Scopes, r.Asked)
	switch {
	case r.Asked == nil && named:
		return nil
	case r.Asked == nil:
		have = append(have, p.Scopes...)
	case p.Granular && !named && slices.ContainsFunc(r.Scopes, func(s string) bool { return slices.Contains(r.Asked, s) }):
		have = r.Scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return p.Holds(have, s) })
}

// fresh reports whether the access token can be used at now and for a time
// ahead. Of a token that lives shorter than ahead, three quarters of its life
// are asked for: else each run would get a new one.
func (r *record) fresh(now time.Time, ahead time.Duration) bool {
	if r.Tokens == nil || r.Tokens.Access == "" || now.Before(r.Issued.Add(-clockStep)) {
		return false
	}
	ahead = min(ahead, r.Expiry.Sub(r.Issued)*3/4)
	return r.Expiry.Sub(now) > ahead
}

// refreshable reports whether there is a refresh token, also of a record that was
// read without its tokens.
func (r *record) refreshable() bool {
	if r.Tokens == nil {
		return !r.NoRefresh
	}
	return r.Tokens.Refresh != ""
}

// encode is the record as JSON, with or without the tokens.
func (r *record) encode(withTokens bool) ([]byte, error) {
	out := *r
	out.Format = recordFormat
	if !withTokens {
		out.NoRefresh, out.Tokens = !out.refreshable(), nil
	}
	data, err := json.MarshalIndent(&out, "", "\t")
	return append(data, '\n'), err
}

// decodeRecord reads what encode wrote, whole or not at all.
func decodeRecord(data []byte) (*record, error) {
	var r record
	if json.Unmarshal(data, &r) != nil { // its words may quote a token
		return nil, errors.New("damaged: not the JSON that was written")
	}
	if r.Format > recordFormat {
		return nil, fmt.Errorf("format %d is of a newer mailhaul", r.Format)
	}
	if r.Format < 1 || r.Seq < 1 || r.Tokens == nil && r.Chunks == 0 {
		return nil, errors.New("damaged: it lacks what every token file has")
	}
	return &r, nil
}
