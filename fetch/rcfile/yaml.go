package rcfile

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// YAML returns the accounts as a configuration, with a comment for each option
// that was not carried over or means something else. It is the same for the
// same input, and holds no secret.
func (r *Result) YAML() []byte {
	var b bytes.Buffer
	comment(&b, "", "From "+r.Format.Name+": "+strings.Join(r.Files, ", "))
	comments(&b, "", r.Notes)
	if len(r.Accounts) == 0 {
		b.WriteString("accounts: {} # nothing could be imported\n")
		return b.Bytes()
	}
	b.WriteString("accounts:\n")
	for i, a := range r.Accounts {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.Write(config.Encode(config.Pair(a.Name, a.all()), 1))
		comments(&b, "    ", a.Notes)
	}
	return b.Bytes()
}

// order is how the keys of an account are printed; others follow.
func order() []string {
	return []string{"server", "tls", "insecure", "ca_file", "server_name", "client_cert", "client_key", "min_version",
		"tunnel", "proxy", "bind", "user", "auth", "password", "token", "keep", "max_size", "limit", "to", "deliver"}
}

// all returns the account's keys in the order of printing.
func (a *Account) all() config.Map {
	m := append(config.Pair("server", hostPort(a.Host, a.Port, UsualPort(a.Security))).And("user", a.User).And("deliver", a.Targets), a.keys...)
	if a.Security != pop3.ImplicitTLS {
		m = m.And("tls", config.Word(a.Security.String()))
	}
	if a.Insecure {
		m = m.And("insecure", true)
	}
	if !a.Enabled {
		m = m.And("enabled", false)
	}
	place := func(e config.Entry) int {
		if i := slices.Index(order(), e.Key); i >= 0 {
			return i
		}
		return len(order())
	}
	slices.SortStableFunc(m, func(a, b config.Entry) int { return place(a) - place(b) })
	return m
}

// comments writes the notes that a person needs.
func comments(b *bytes.Buffer, indent string, notes []Note) {
	for _, n := range notes {
		if n.Kind != Carried {
			comment(b, indent, n.String())
		}
	}
}

// comment writes text wrapped at a readable width.
func comment(b *bytes.Buffer, indent, text string) {
	line := "#"
	for _, word := range strings.Split(printable(text), " ") {
		if len(line)+1+len(word) > 100 && line != "#" && line != "#  " {
			b.WriteString(indent + line + "\n")
			line = "#  "
		}
		line += " " + word
	}
	b.WriteString(indent + line + "\n")
}

// printable escapes what would act on a terminal or end a comment.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
