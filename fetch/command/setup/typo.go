package setup

import (
	"context"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/mailhaul/mailhaul/fetch/autoconf"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// meant asks about an address whose domain looks like a mistyped one: whoever
// registered that would get the password.
func (p *person) meant(ctx context.Context, address string) (string, error) {
	local, domain, _ := autoconf.Split(address)
	near := nearDomain(domain)
	if near == "" || p.Mute {
		return address, nil
	}
	near = local + "@" + near
	if ok, err := p.Yes(ctx, "Did you mean "+near+"?"); err != nil || !ok {
		return address, err
	}
	return near, nil
}

// nearDomain is the domain of a provider that one may be a typing error of: one
// letter missing, added, replaced or swapped with the next; two in a long name,
// and before an ending that no domain has. It is empty if there is none, or if
// the domain is a provider's own. Everything is near a name as short as q.com.
func nearDomain(domain string) (near string) {
	if provider.OfDomain(domain) != nil {
		return ""
	}
	const long = 12
	suffix, exists := publicsuffix.PublicSuffix(domain)
	least := 3
	for _, p := range provider.All() {
		for _, d := range p.Domains {
			candidates := []string{d}
			if stem, any := strings.CutSuffix(d, ".*"); any {
				candidates = []string{stem + ".com", stem + "." + suffix}
			}
			for _, c := range candidates {
				n := config.Distance(domain, c)
				if n < least && len(c) > 5 && (n == 1 || len(c) >= long || !exists) && provider.OfDomain(c) != nil {
					near, least = c, n
				}
			}
		}
	}
	return near
}
