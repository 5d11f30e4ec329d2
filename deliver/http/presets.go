package http

import (
	"slices"
	"strings"
)

// form is how a request carries the message.
type form uint8

const (
	// raw: the body is the message.
	raw form = iota
	// urlencoded: application/x-www-form-urlencoded. multipart: multipart/form-data (RFC 7578).
	urlencoded
	multipart
)

// place is where a request carries the secret; the zero value: nowhere.
type place struct {
	// header is a field of the request, and prefix what comes before the secret there.
	header, prefix string
	// user: it is the password of this user (Basic, RFC 7617).
	user string
	// field is a field of the form.
	field string
	// sign: it is not sent; it is the key of the signature.
	sign bool
}

// preset is what mailhaul knows of one kind of service.
type preset struct {
	name string
	// path is where the service takes mail, below its own address.
	path string
	form form
	// field and file are the names of the message's field in a form and of its file; no
	// file: a plain field. media is the message's type.
	field, file, media string
	// lf: lines end with LF, as the service's own relay sends them; else with CRLF.
	lf     bool
	base64 bool
	secret place
	// headers are fields that the configuration can replace.
	headers []Pair
	// own: an endpoint of one's own, which gets an Idempotency-Key and the account's name.
	own bool
	// answers come before those that all services have in common.
	answers []answer
	// probe is a request that changes nothing.
	probe probe
}

// probe is a harmless request, and the answers to it that a service gives which is ready.
type probe struct {
	method string
	// path is below the address of the service; empty: where it takes mail.
	path string
	// media is the Content-Type, and fields the form besides the secret's.
	media  string
	fields []Pair
	good   []int
	// says is what the body of a good answer begins with.
	says string
}

// Presets are the names of the presets, in the order of the manual.
func Presets() []string {
	names := make([]string, len(presets))
	for i := range presets {
		names[i] = presets[i].name
	}
	return names
}

// Facts are what a configuration has to know of a preset.
type Facts struct {
	// Secret: it has a use for a secret, or, NeedsSecret, cannot do without one.
	Secret, NeedsSecret bool
	// Login: the field Authorization is free for a login of another kind.
	Login bool
	// Form: it has fields.
	Form bool
}

// FactsOf are those of a preset.
func FactsOf(name string) Facts {
	p := presetOf(name)
	return Facts{Secret: p.secret != place{}, NeedsSecret: p.secret != place{} && !p.secret.sign,
		Login: p.secret.user == "" && p.secret.header != authorization, Form: p.form != raw}
}

// Endpoint is where a service takes mail, from its address or the endpoint itself, both
// without a query.
func Endpoint(name, address string) string {
	p := presetOf(name)
	if p.path == "" || strings.HasSuffix(address, p.path) {
		return address
	}
	return strings.TrimRight(address, "/") + p.path
}

// presetOf is the preset of a name; it must be one of Presets.
func presetOf(name string) *preset {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	return &presets[max(i, 0)]
}
