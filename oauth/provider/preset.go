package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Preset is what is known of a provider's OAuth2.
type Preset struct {
	// Name is what the configuration calls it, Aliases what people call it,
	// Title what it calls itself.
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
	Title   string   `json:"title"`
	// The endpoints; empty where there is none. {tenant} stands for Tenant.
	AuthURL   string `json:"auth_url"`
	TokenURL  string `json:"token_url"`
	DeviceURL string `json:"device_url"`
	RevokeURL string `json:"revoke_url"`
	// Tenant is used if the configuration names none; empty if it must, in
	// an endpoint with {tenant}.
	Tenant string `json:"tenant"`
	// Scopes are what POP3 needs, and Uses what other uses need, by their words; a
	// use that is missing is not possible with this provider.
	Scopes []string            `json:"scopes"`
	Uses   map[string][]string `json:"uses"`
	// Covers are the scopes that another one includes.
	Covers map[string][]string `json:"covers"`
	// Granular: people can refuse single scopes, so that those that the provider
	// reports are all that there are.
	Granular bool `json:"granular"`
	// RefreshScope sends the scopes at a refresh too; Google refuses that.
	RefreshScope bool `json:"refresh_scope"`
	// Flows are those that can work; the first is the usual one.
	Flows []Flow `json:"flows"`
	// AppPreset names the preset that ClientCredentials means here.
	AppPreset string `json:"app_preset"`
	// XOAuth2Only: its POP3 servers have no OAUTHBEARER (RFC 7628).
	XOAuth2Only bool      `json:"xoauth2_only"`
	AuthStyle   AuthStyle `json:"auth_style"`
	// AuthParams are added to the authorisation URL.
	AuthParams map[string]string `json:"auth_params"`
	// Redirect is the loopback address, without port, that registrations for
	// installed programs allow.
	Redirect string `json:"redirect"`
	// ClientSecret: registrations for installed programs have a secret.
	ClientSecret bool `json:"client_secret"`
	// NoRefresh says what to do if a login yields no refresh token.
	NoRefresh string `json:"no_refresh"`
	// RefreshIdleDays is after how many days without use a refresh token
	// ends, and TestingDays how many it lasts while the registration is not
	// published; zero if not known.
	RefreshIdleDays int `json:"refresh_idle_days"`
	TestingDays     int `json:"testing_days"`
	// Closed means that new clients get no registration: Provider.Password
	// is the way.
	Closed bool `json:"closed"`
	// Notes are what else a person should know.
	Notes []string `json:"notes"`
}

// RefreshIdle is RefreshIdleDays as a duration.
func (p *Preset) RefreshIdle() time.Duration { return days(p.RefreshIdleDays) }

// TestingLifetime is TestingDays as a duration.
func (p *Preset) TestingLifetime() time.Duration { return days(p.TestingDays) }

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// Allows reports whether a flow can work with this provider.
func (p *Preset) Allows(f Flow) bool {
	return slices.Contains(p.Flows, f) || f == ClientCredentials && p.AppPreset != ""
}

// Names returns every name and alias that OfPreset knows, names first.
func Names() []string {
	var names, aliases []string
	for _, p := range All() {
		if p.OAuth != nil {
			names = append(names, p.OAuth.Name)
			aliases = append(aliases, p.OAuth.Aliases...)
		}
	}
	return append(names, aliases...)
}

// Flow is how authorisation is obtained. The zero value asks a person.
type Flow uint8

const (
	// Browser is the authorisation code with PKCE (RFC 6749 section 4.1, RFC
	// 7636), in a browser or by paste.
	Browser Flow = iota
	// Device is the device code (RFC 8628).
	Device
	// ClientCredentials has no person (RFC 6749 section 4.4).
	ClientCredentials
	// ServiceAccount signs for a user of a domain (RFC 7523 section 2.1).
	ServiceAccount
)

// Use is what a login is used for.
type Use uint8

// The uses of a login.
const (
	POP Use = iota
	IMAP
	SMTP
	GmailAPI
	JMAP
)

// String returns the word for it, as the configuration calls such a server or target.
func (u Use) String() string { return word(u, useWords) }

// ScopesFor are the scopes that the uses need together, without those that another
// one covers. The uses that the provider is not known to allow are returned too.
func (p *Preset) ScopesFor(uses ...Use) (scopes []string, missing []Use) {
	for _, u := range uses {
		list := p.Uses[u.String()]
		if u == POP {
			list = p.Scopes
		}
		if len(list) == 0 {
			missing = append(missing, u)
		}
		for _, s := range list {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	all := slices.Clone(scopes)
	return slices.DeleteFunc(scopes, func(s string) bool { return p.covered(s, all) }), missing
}

// Holds reports whether granted scopes include one.
func (p *Preset) Holds(granted []string, scope string) bool {
	return slices.ContainsFunc(granted, func(g string) bool { return strings.EqualFold(g, scope) }) || p.covered(scope, granted)
}

func (p *Preset) covered(scope string, by []string) bool {
	return slices.ContainsFunc(by, func(b string) bool { return slices.Contains(p.Covers[b], scope) })
}

// flowWords, styleWords and useWords are the words of the configuration, in the order
// of the constants.
const (
	useWords   = "pop imap smtp gmail jmap"
	flowWords  = "browser device client_credentials service_account"
	styleWords = "auto body basic"
)

// String returns the word that the configuration uses.
func (f Flow) String() string { return word(f, flowWords) }

// UnmarshalText takes that word.
func (f *Flow) UnmarshalText(text []byte) error { return fromWord(f, text, flowWords) }

// AuthStyle says how a client with a secret authenticates at the endpoints
// (RFC 6749 section 2.3.1).
type AuthStyle uint8

const (
	// AnyStyle is not known: what the provider takes is found out.
	AnyStyle AuthStyle = iota
	// InBody sends client_id and client_secret in the body.
	InBody
	// InHeader sends them as HTTP Basic.
	InHeader
)

// String returns the word that the configuration uses.
func (s AuthStyle) String() string { return word(s, styleWords) }

// MarshalText returns that word.
func (s AuthStyle) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the word that the configuration uses.
func (s *AuthStyle) UnmarshalText(text []byte) error { return fromWord(s, text, styleWords) }

func word[E ~uint8](e E, words string) string {
	if list := strings.Fields(words); int(e) < len(list) {
		return list[e]
	}
	return fmt.Sprintf("unknown(%d)", uint8(e))
}

func fromWord[E ~uint8](e *E, text []byte, words string) error {
	i := slices.Index(strings.Fields(words), string(text))
	if i < 0 {
		return fmt.Errorf("%q is none of %s", text, words)
	}
	*e = E(i)
	return nil
}
