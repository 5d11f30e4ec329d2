// Package provider is the table of mail providers: their servers, what they
// want of people, their OAuth2 endpoints, and what their errors mean. The facts
// are data, in providers.json and errors.json; to correct one, edit that file.
// The form of both is checked by this package's tests.
//
// A row is one service. Its keys, all but name optional: domains of its
// addresses ("hotmail.*" stands for one below each public suffix of two
// letters, and .com, and ".rr.com" for all domains below that one); mx, the registered domains of its mail exchangers, for
// people whose own domain it hosts; servers, which take POP3 with TLS from the
// start on port 995, the usual one first; jmap, the host of its JMAP server and others that
// belong to that (".example.org" for all below it); stls, if they take STLS on port 110
// instead; local_part, if the login name is the
// part before the @; token_only, if it refuses passwords; password, which one
// and where to get it, if it is not the account's own; enable, where POP3 is
// switched on, if it is off at first; note, what else to know; config, the
// line that its accounts want; limit, see Limit; no_pop3, why there is no server, and what to do
// instead; oauth, see Preset.
package provider

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"
)

//go:embed providers.json
var table []byte

// Provider is what is known of a mail provider without asking anyone: facts
// from its own help pages and from the settings that it publishes. It is
// shared: do not change it.
type Provider struct {
	Name      string   `json:"name"`
	Domains   []string `json:"domains"`
	MX        []string `json:"mx"`
	Servers   []string `json:"servers"`
	JMAP      []string `json:"jmap"`
	STLS      bool     `json:"stls"`
	LocalPart bool     `json:"local_part"`
	TokenOnly bool     `json:"token_only"`
	Password  string   `json:"password"`
	Enable    string   `json:"enable"`
	Note      string   `json:"note"`
	Config    string   `json:"config"`
	NoPOP3    string   `json:"no_pop3"`
	Limit     *Limit   `json:"limit"`
	// OAuth is nil where there is no OAuth2 for mail.
	OAuth *Preset `json:"oauth"`
}

// Limit is what a provider lets one account fetch: Name is the word of the
// configuration for it, and BytesPerDay a size as the configuration writes it.
type Limit struct {
	Name        string `json:"name"`
	BytesPerDay string `json:"bytes_per_day"`
}

// All returns the table in the order to show it, the large ones first.
func All() []*Provider { return load() }

var load = sync.OnceValue(func() []*Provider { return mustDecode[*Provider](table) })

func mustDecode[T any](data []byte) []T {
	list, err := decode[T](data)
	if err != nil {
		panic("providers: " + err.Error()) // a defect of the build, which the tests find
	}
	return list
}

func decode[T any](data []byte) (list []T, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return list, dec.Decode(&list)
}

// JMAPHosts are the hosts that belong to a JMAP server besides itself; ".example.org" is
// all below that domain.
func JMAPHosts(server string) []string {
	for _, p := range All() {
		if len(p.JMAP) > 0 && strings.EqualFold(p.JMAP[0], server) {
			return slices.Clone(p.JMAP[1:])
		}
	}
	return nil
}

// OfDomain finds the provider of an address's domain; nil if it is not known.
func OfDomain(domain string) *Provider {
	return find(func(p *Provider) bool {
		return slices.ContainsFunc(p.Domains, func(d string) bool { return domainFits(d, domain) })
	})
}

// OfServer finds the provider that a POP3 server belongs to; nil if it is not
// known.
func OfServer(host string) *Provider {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return find(func(p *Provider) bool { return slices.Contains(p.Servers, host) })
}

// OfExchanger finds the provider that hosts a domain's mail, by the registered
// domain of its mail exchanger; nil if it is not known.
func OfExchanger(registered string) *Provider {
	return find(func(p *Provider) bool { return slices.Contains(p.MX, registered) })
}

// OfPreset finds the provider with the OAuth2 preset of that name or alias, in
// any case; nil if there is none.
func OfPreset(name string) *Provider {
	name = strings.ToLower(name)
	return find(func(p *Provider) bool {
		return p.OAuth != nil && (p.OAuth.Name == name || slices.Contains(p.OAuth.Aliases, name))
	})
}

func find(fits func(*Provider) bool) *Provider {
	list := All()
	if i := slices.IndexFunc(list, fits); i >= 0 {
		return list[i]
	}
	return nil
}

func domainFits(pattern, domain string) bool {
	if strings.HasPrefix(pattern, ".") {
		return strings.HasSuffix(domain, pattern) && len(domain) > len(pattern)
	}
	stem, any := strings.CutSuffix(pattern, ".*")
	if !any {
		return pattern == domain
	}
	suffix, icann := publicsuffix.PublicSuffix(domain)
	top := suffix[strings.LastIndexByte(suffix, '.')+1:]
	return icann && domain == stem+"."+suffix && (len(top) == 2 || suffix == "com")
}

// User is the login name of an address.
func (p *Provider) User(address string) string {
	if i := strings.LastIndexByte(address, '@'); p.LocalPart && i > 0 {
		return address[:i]
	}
	return address
}
