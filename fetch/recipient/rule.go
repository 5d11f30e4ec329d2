// Package recipient finds out from the header of a message in a shared mailbox
// whom it is for. It is pure.
package recipient

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/mailhaul/mailhaul/fetch/header"
)

// most is how many recipients a message may have. More is no mail for people.
const most = 1000

// Rule says which fields hold the recipients of a shared mailbox, and who they are.
type Rule struct {
	// Headers are the fields, the most trusted first; none: the mailbox is not shared.
	Headers []string
	// Occurrence: only the nth field of a name counts, 1 is the topmost. Zero: those
	// that one server wrote, of the topmost server whose fields name a recipient.
	Occurrence int
	// Strip is a prefix of addresses to remove, as qmail adds it.
	Strip string
	// Domains are those of the recipients, in lower case and ASCII. An address in
	// another domain is nobody's here. None: every address is a recipient.
	Domains []string
	// Map replaces addresses: `name@domain`, `name` (in any of Domains), `@domain` or
	// `*`, all in lower case, by addresses, by a name in the same domain, by another
	// `@domain`, or by `@`, which removes the domain.
	Map map[string][]string
	// MapFile is the file that Map is from; empty: none.
	MapFile string
	// Unknown is what becomes of a message without a recipient.
	Unknown Unknown
}

// Unknown is what becomes of a message without a recipient. The zero value leaves
// it on the server.
type Unknown struct {
	// Quarantine delivers it to the quarantine.
	Quarantine bool
	// Fallback delivers it to this address; empty: to nobody.
	Fallback string
}

// Shared reports whether the rule looks for recipients at all.
func (r *Rule) Shared() bool { return len(r.Headers) > 0 }

// Written reports whether the author of a message writes a field: it shows whom he
// wrote to, not who gets this copy.
func Written(name string) bool {
	return slices.Contains([]string{"to", "cc", "bcc", "apparently-to"}, strings.TrimPrefix(strings.ToLower(name), "resent-"))
}

// Of returns the recipients of a message, each once, by the most trusted field that
// has any. None if no field has, or if a field on the way to them cannot be read: the
// less trusted ones are no answer then. Unknown is not applied.
func (r *Rule) Of(h header.Header) []string {
	for i := 0; i < len(r.Headers); {
		n := r.together(i)
		for _, values := range r.places(h, r.Headers[i:i+n]) {
			if to, usable := r.among(values, Written(r.Headers[i])); !usable || len(to) > 0 {
				return to
			}
		}
		i += n
	}
	return nil
}

// Marks are the fields by which servers tell copies of a message apart. Empty: there are
// none, or the rule is of the old form, by whose fingerprints messages are known.
func (r *Rule) Marks(h header.Header) string {
	var b strings.Builder
	for name, value := range h.Fields() {
		marks := func(n string) bool {
			return strings.EqualFold(n, string(name)) && !Written(n) && !strings.EqualFold(n, "Received")
		}
		if r.Occurrence == 0 && slices.ContainsFunc(r.Headers, marks) {
			b.WriteString(header.Text(value) + "\n")
		}
	}
	return b.String()
}

// together is how many fields from the ith on are read as one: those of the author,
// where one after the other is listed.
func (r *Rule) together(i int) int {
	n := 1
	for ; i+n < len(r.Headers) && Written(r.Headers[i]) && Written(r.Headers[i+n]) && resent(r.Headers[i]) == resent(r.Headers[i+n]); n++ {
	}
	return n
}

// resent tells the fields of who sent a message on from those of its author.
func resent(name string) bool { return len(name) > 7 && strings.EqualFold(name[:7], "resent-") }

// places are the values of the fields of these names, in groups of which one alone
// is to be used, the topmost first. A server puts its fields on top of its Received
// field.
func (r *Rule) places(h header.Header, names []string) (groups [][]string) {
	named := func(field string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, field) })
	}
	if r.Occurrence > 0 {
		if v, ok := h.Get(names[0], r.Occurrence); ok {
			groups = append(groups, []string{v})
		}
		return groups
	}
	var group []string
	for name, value := range h.Fields() {
		trace := strings.EqualFold(string(name), "Received")
		if trace && !Written(names[0]) && len(group) > 0 {
			groups, group = append(groups, group), nil
		}
		if !named(string(name)) {
			continue
		}
		text := header.Text(value)
		if trace {
			text = forClause(text)
		}
		group = append(group, text)
	}
	return append(groups, group)
}

// among returns the recipients among the addresses of some fields. Not usable: it
// cannot be read to its end, and what is not read may be a recipient.
func (r *Rule) among(values []string, written bool) (to []string, usable bool) {
	seen := make(map[string]bool)
	for _, v := range values {
		addresses, unread := parse(v)
		if slices.ContainsFunc(unread, r.mayHold) {
			return nil, false
		}
		for _, a := range addresses {
			name, domain := cut(strings.TrimPrefix(a, r.Strip))
			if name != "" && (domain != "" || !written && len(addresses) == 1) {
				to = r.expand(to, seen, name, domain, true)
			}
		}
	}
	if len(to) > most {
		return nil, false
	}
	return to, true
}

// mayHold reports whether text that is no address may hide one of a recipient.
func (r *Rule) mayHold(text string) bool {
	text = strings.ToLower(text)
	return len(r.Domains) == 0 && strings.ContainsRune(text, '@') ||
		slices.ContainsFunc(r.Domains, func(d string) bool { return strings.Contains(text, d) })
}

// expand appends the recipients that an address stands for, one of the header or of
// Map. Each is replaced once in a message, so that rules that lead in a circle end.
func (r *Rule) expand(to []string, seen map[string]bool, name, domain string, ofHeader bool) []string {
	if len(r.Domains) > 0 {
		domain = asciiDomain(domain)
	}
	full := join(name, domain)
	key := Fold(full)
	targets, mapped := r.mapped(name, domain)
	if seen[key] || !mapped && ofHeader && !r.own(name, domain) {
		return to
	}
	seen[key] = true
	if !mapped {
		return append(to, full)
	}
	for _, t := range targets {
		n, d, found := lastCut(t)
		if !found {
			d = domain
		}
		if n == "" {
			n = name
		}
		if Fold(join(n, d)) == key {
			to = append(to, full)
		} else {
			to = r.expand(to, seen, n, d, false)
		}
	}
	return to
}

// mapped looks an address up: the address, its name, its domain, everything.
func (r *Rule) mapped(name, domain string) ([]string, bool) {
	name, ascii := strings.ToLower(name), asciiDomain(domain)
	keys := []string{join(name, ascii)}
	switch {
	case r.own(name, domain):
		keys = append(keys, name, "@"+ascii, "*")
	case harmless(name): // a rule for a whole domain passes the name on
		keys = append(keys, "@"+ascii)
	}
	for _, k := range keys {
		if list, ok := r.Map[k]; ok {
			return list, true
		}
	}
	return nil, false
}

// own reports whether an address is one of this mailbox.
func (r *Rule) own(name, domain string) bool {
	return len(r.Domains) == 0 || (domain == "" || slices.Contains(r.Domains, asciiDomain(domain))) && harmless(name)
}

// harmless reports whether a name does not ask a relay to send the message on, and is
// none that a command would take for an option.
func harmless(name string) bool {
	return !strings.ContainsAny(name, "@%!\\") && strings.Trim(name, `"`) != "" && name[0] != '-' && !strings.HasPrefix(name, `"-`)
}

// Fold is an address as it is compared.
func Fold(addr string) string {
	name, domain := cut(addr)
	return strings.ToLower(join(name, asciiDomain(domain)))
}

func asciiDomain(s string) string {
	if a, err := idna.Lookup.ToASCII(s); err == nil {
		return a
	}
	return strings.ToLower(s)
}

// lastCut cuts at the last @, which is that of the domain.
func lastCut(addr string) (name, domain string, found bool) {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return addr, "", false
	}
	return addr[:i], addr[i+1:], true
}

func cut(addr string) (name, domain string) {
	name, domain, _ = lastCut(addr)
	return name, domain
}

func join(name, domain string) string {
	if domain == "" {
		return name
	}
	return name + "@" + domain
}
