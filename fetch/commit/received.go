package commit

import (
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// trace is the one field that a run may add, by option (Policy.Received): who
// had the message, who fetched it, for whom if its envelope says so, and when
// (RFC 5321 section 4.4, RFC 5322 section 3.6.7). LF line ends.
func (s *Side) trace(e deliver.Envelope) string {
	if !s.Policy.Received {
		return ""
	}
	me, _ := os.Hostname() // "" is no domain either
	return received(s.Host, me, e.Recipients, s.Journal.Now())
}

// received writes the field. More than one recipient is not told: "for" takes
// one, and a list would give away blind copies.
func received(from, by string, to []string, at time.Time) string {
	var b strings.Builder
	b.WriteString("Received: from " + domain(from) + "\n\tby " + domain(by) + " (mailhaul) with POP3")
	if len(to) == 1 && forClause(to[0]) {
		b.WriteString("\n\tfor <" + to[0] + ">")
	}
	b.WriteString(";\n\t" + at.Format(time.RFC1123Z) + "\n")
	return b.String()
}

// domain is a host as a trace field names it: a domain, or an address literal
// (RFC 5321 section 4.1.3).
func domain(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		if ip.Is6() {
			return "[IPv6:" + ip.String() + "]"
		}
		return "[" + ip.String() + "]"
	}
	strange := func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '.')
	}
	if host == "" || strings.ContainsFunc(host, strange) {
		return "localhost"
	}
	return host
}

// forClause reports whether an address can stand in the field without doubt.
func forClause(addr string) bool {
	return strings.Contains(addr, "@") && len(addr) <= 254 &&
		!strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>()[]\,;:"`, r) })
}
