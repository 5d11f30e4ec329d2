package command

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// mailProvider is what is known of a mail provider without asking anyone: facts
// from its own help pages and from the settings that it publishes.
type mailProvider struct {
	name string
	// domains of its addresses; "hotmail.*" stands for one below each public
	// suffix of two letters (hotmail.co.uk, hotmail.fr) and .com.
	domains []string
	// mx are the registered domains of its mail exchangers, for people whose
	// own domain it hosts.
	mx []string
	// host takes POP3 with TLS from the start on port 995; empty: see noPOP.
	host string
	// localPart: the login name is the part before the @.
	localPart bool
	// oauth is the preset of package oauth; tokenOnly: passwords are refused.
	oauth     string
	tokenOnly bool
	// password says which password, if not the account's own, and where.
	password string
	// enable says where POP3 is switched on, if it is off at first.
	enable string
	// note is what else a person should know, config the lines that its
	// accounts want.
	note, config string
	// noPOP says why mail cannot be fetched, and what to do instead.
	noPOP string
}

// providerOf finds the provider of an address's domain.
func providerOf(domain string) (mailProvider, bool) {
	return findProvider(func(p *mailProvider) bool {
		return slices.ContainsFunc(p.domains, func(d string) bool { return domainFits(d, domain) })
	})
}

// providerOfHost finds the provider that a server belongs to.
func providerOfHost(host string) (mailProvider, bool) {
	return findProvider(func(p *mailProvider) bool { return p.host != "" && strings.EqualFold(p.host, host) })
}

// providerOfExchanger finds the provider that hosts a domain's mail.
func providerOfExchanger(registered string) (mailProvider, bool) {
	return findProvider(func(p *mailProvider) bool { return slices.Contains(p.mx, registered) })
}

func findProvider(fits func(*mailProvider) bool) (mailProvider, bool) {
	list := providers()
	if i := slices.IndexFunc(list, func(p mailProvider) bool { return fits(&p) }); i >= 0 {
		return list[i], true
	}
	return mailProvider{}, false
}

func domainFits(pattern, domain string) bool {
	stem, any := strings.CutSuffix(pattern, ".*")
	if !any {
		return pattern == domain
	}
	suffix, icann := publicsuffix.PublicSuffix(domain)
	top := suffix[strings.LastIndexByte(suffix, '.')+1:]
	return icann && domain == stem+"."+suffix && (len(top) == 2 || suffix == "com")
}

// user is the login name of an address.
func (p *mailProvider) user(address string) string {
	if i := strings.LastIndexByte(address, '@'); p.localPart && i > 0 {
		return address[:i]
	}
	return address
}

// advice is what a person should know before the first login.
func (p *mailProvider) advice() (lines []string) {
	if p.enable != "" {
		lines = append(lines, "POP3 is off until it is switched on: "+p.enable)
	}
	if p.password != "" {
		lines = append(lines, "Password: "+p.password)
	}
	if p.note != "" {
		lines = append(lines, "Note: "+p.note)
	}
	return lines
}
