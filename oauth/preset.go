package oauth

import (
	"slices"
	"strings"
	"time"
)

// SASL says which SASL mechanisms a provider's POP3 server takes tokens by.
type SASL uint8

const (
	// XOAuth2Only is Google's older form alone.
	XOAuth2Only SASL = iota
	// XOAuth2AndBearer has OAUTHBEARER (RFC 7628) too.
	XOAuth2AndBearer
)

// AuthStyle says how a client names itself at the token endpoint. It is never
// probed: a probe could use a refresh token up.
type AuthStyle uint8

const (
	// InParams sends client_id and client_secret in the body.
	InParams AuthStyle = iota
	// InHeader sends them as HTTP Basic (RFC 6749 section 2.3.1).
	InHeader
)

// Preset is what is known of one provider. It is a copy: change it freely.
type Preset struct {
	// Name is what the configuration calls it, Aliases what people call it,
	// Title what it calls itself.
	Name    string
	Aliases []string
	Title   string
	// Hosts are its POP3 servers, the usual one first; Port is for implicit
	// TLS.
	Hosts []string
	Port  int
	// The endpoints; empty where there is none. {tenant} stands for Tenant.
	AuthURL, TokenURL, DeviceURL, RevokeURL string
	// Tenant is used if the configuration names none; empty if it must, in
	// an endpoint with {tenant}.
	Tenant string
	// Scopes are what POP3 needs.
	Scopes []string
	// RefreshScope sends the scopes at a refresh too; Google refuses that.
	RefreshScope bool
	// Flows are those that can work; the first is the usual one.
	Flows []Flow
	// AppPreset names the preset that FlowClientCredentials means here.
	AppPreset string
	SASL      SASL
	AuthStyle AuthStyle
	// AuthParams are added to the authorisation URL.
	AuthParams map[string]string
	// Redirect is the loopback address, without port, that registrations for
	// installed programs allow.
	Redirect string
	// RefreshIdle is after how long without use a refresh token dies, and
	// TestingLifetime how long it lives while the registration is not
	// published; zero if not known.
	RefreshIdle, TestingLifetime time.Duration
	// Closed means that new clients get no registration: AppPassword is the
	// way.
	Closed bool
	// AppPassword says whether and where to get an app password.
	AppPassword string
	// Notes are what else a person should know.
	Notes []string
}

// Find returns the preset of that name or alias, in any case.
func Find(name string) (Preset, bool) {
	name = strings.ToLower(name)
	for _, p := range Presets() {
		if p.Name == name || slices.Contains(p.Aliases, name) {
			return p, true
		}
	}
	return Preset{}, false
}

// Match returns the preset whose POP3 server host is.
func Match(host string) (Preset, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range Presets() {
		if slices.Contains(p.Hosts, host) {
			return p, true
		}
	}
	return Preset{}, false
}

// Names returns every name and alias that Find knows, names first.
func Names() []string {
	var names, aliases []string
	for _, p := range Presets() {
		names = append(names, p.Name)
		aliases = append(aliases, p.Aliases...)
	}
	return append(names, aliases...)
}

// Allows reports whether a flow can work with this provider.
func (p Preset) Allows(f Flow) bool {
	return slices.Contains(p.Flows, f) || f == FlowClientCredentials && p.AppPreset != ""
}
