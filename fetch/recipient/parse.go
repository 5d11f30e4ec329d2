package recipient

import (
	"net/mail"
	"strings"
	"unicode/utf8"
)

// parse reads the addresses of a field, as RCPT takes them. Each is read by net/mail,
// which is strict, and gives a list up because of one mistake in it. So the list is
// divided here, where comments are removed too, and what most people see as the
// address is taken from what net/mail refuses: in front of it stand 8-bit names, names
// with commas, routes. Unread is what is no address.
func parse(value string) (addresses, unread []string) {
	parts, open := split(value)
	for _, p := range parts {
		switch a, ok := one(p); {
		case ok:
			addresses = append(addresses, a)
		default:
			unread = append(unread, p)
		}
	}
	if open != "" {
		unread = append(unread, open)
	}
	return addresses, unread
}

// split divides a list at its commas and semicolons, and removes comments and the
// names of groups (RFC 5322 section 3.4). Open is the text behind a quote or a
// comment that does not end.
func split(s string) (parts []string, open string) {
	var b strings.Builder
	quoted, depth, from := false, 0, 0
	flush := func() {
		if p := strings.TrimSpace(b.String()); p != "" {
			parts = append(parts, p)
		}
		b.Reset()
	}
	angle := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(s):
			i++
			if quoted {
				b.WriteString(s[i-1 : i+1])
			}
		case depth > 0:
			if c == '(' {
				depth++
			} else if c == ')' {
				depth--
			}
		case c == '"':
			quoted, from = !quoted, i
			b.WriteByte(c)
		case quoted:
			b.WriteByte(c)
		case c == '(':
			depth, from = 1, i
			b.WriteByte(' ')
		case c == ',' && !angle, c == ';':
			flush()
			angle = false
		case c == ':' && !strings.ContainsAny(b.String(), "<>@"):
			b.Reset()
		default:
			angle = c == '<' || angle && c != '>'
			b.WriteByte(c)
		}
	}
	flush()
	if quoted || depth > 0 {
		open = s[from:]
	}
	return parts, open
}

// one reads one address, without its name.
func one(s string) (string, bool) {
	if len(s) > 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		s = s[1 : len(s)-1]
	}
	if a, err := mail.ParseAddress(s); err == nil {
		return written(a.Address), true
	}
	if before, rest, ok := strings.Cut(s, "<"); ok {
		inner, after, _ := strings.Cut(rest, ">")
		if strings.Contains(rest, "<") || strings.Contains(before, ">") || strings.TrimSpace(after) != "" {
			return "", false // which one is meant?
		}
		s = inner
	}
	s = strings.TrimSpace(strings.TrimSuffix(s, ">"))
	if s != "" && s[0] == '@' { // a route, which is to be ignored (RFC 5321 section 4.1.1.3)
		_, s, _ = strings.Cut(s, ":")
	}
	name, domain, found := lastCut(s)
	name, domain = strings.TrimSpace(name), strings.TrimSuffix(strings.TrimSpace(domain), ".")
	if found && domain == "" || name == "" {
		return "", false
	}
	s = join(name, domain)
	if a, err := mail.ParseAddress("<" + s + ">"); err == nil {
		return written(a.Address), true
	}
	return s, plain(s)
}

// written is an address with quotes where its name needs them.
func written(addr string) string {
	return strings.Trim((&mail.Address{Address: addr}).String(), "<>")
}

// plain reports whether an address needs no quotes. Names with dots side by side exist.
func plain(s string) bool {
	special := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>[]:;\,"`, r) }
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, special) && !strings.HasPrefix(s, "=?") && strings.Count(s, "@") < 2
}

// forClause is the address that a Received field was written for, empty if it does
// not say (RFC 5321 section 4.4).
func forClause(received string) string {
	parts, _ := split(strings.NewReplacer(",", " ", ":", " ").Replace(received))
	if len(parts) == 0 {
		return ""
	}
	words := strings.Fields(parts[0])
	for i, w := range words[:max(len(words)-1, 0)] {
		if strings.EqualFold(w, "for") && strings.ContainsRune(words[i+1], '@') {
			return words[i+1]
		}
	}
	return ""
}
