package fetchmail

import (
	"cmp"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// multidrop takes recipients from the envelope field. Where fetchmail guesses
// them, a person has to name the field; where it asks the DNS which domains are its
// own, the domains.
func (m *merge) multidrop() {
	to := m.envelope()
	if o, ok := m.given("qvirtual"); ok {
		if why := rcfile.BadText(o.Value); why != "" {
			m.Drop(o.Option, why)
		} else {
			to = to.And("strip", o.Value)
			m.Carry(o.Option, "to")
		}
	}
	if len(m.domains) == 0 {
		m.Unsure = cmp.Or(m.Unsure, "fetchmail asks the DNS which addresses are its own: name your domains under to: domains")
	}
	domains, hosts := good(m.domains), good(append([]string{m.Start.Name}, m.hosts...))
	rest := m.postmaster + "@" + m.domain()
	rules := m.rules(hosts)
	if len(domains) == 0 {
		if domains = hosts; !m.all {
			rules = rules.And("*", rest)
		}
	}
	to = to.And("domains", domains)
	if len(rules) > 0 {
		to = to.And("map", rules)
	}
	m.Set("to", to.And("unknown", rest))
	for _, o := range []string{"aka", "localdomains"} {
		if o, ok := m.given(o); ok {
			m.Change(o.Option, "is under to; fetchmail takes subdomains too: name those that get mail")
		}
	}
}

// envelope is the field that names the recipients.
func (m *merge) envelope() config.Map {
	o, _ := m.given("envelope")
	field := ""
	if len(o.args) > 0 {
		field = strings.TrimSuffix(o.args[len(o.args)-1], ":")
	}
	if !rcfile.GoodField(field) {
		m.Unsure = "fetchmail guesses the recipients of this shared mailbox; name the field that holds them under to: header"
		return config.Pair("header", "Delivered-To")
	}
	m.Carry(o.Option, "to")
	if strings.EqualFold(field, "Received") {
		m.Unsure = "fetchmail guesses the recipients from To and Cc where Received does not name one; " +
			"mailhaul sends such mail to the address under unknown"
		return config.Pair("headers", []string{field})
	}
	to := config.Pair("header", field)
	if skip, _ := rcfile.Int(o.Value); len(o.args) == 2 && skip > 0 && skip < 1000 {
		to = to.And("occurrence", int(skip)+1)
	}
	return to
}

// rules are the local names: fetchmail looks names up at its server's own names, and
// passes addresses in localdomains as they are.
func (m *merge) rules(hosts []string) (rules config.Map) {
	at := []string{""}
	if len(m.domains) > 0 {
		at = nil
		for _, h := range hosts {
			at = append(at, "@"+h)
		}
	}
	for _, h := range at {
		for _, l := range m.locals {
			if rcfile.GoodAddress(l[0]) && rcfile.GoodAddress(l[1]) {
				rules = rules.And(l[0]+h, l[1]+"@"+m.domain())
			}
		}
		if m.all && h != "" {
			rules = rules.And(h, "@"+m.domain())
		}
	}
	return rules
}

// good are the names that can be domains.
func good(names []string) (list []string) {
	for _, n := range names {
		if config.ValidHost(n) {
			list = append(list, n)
		}
	}
	return list
}
