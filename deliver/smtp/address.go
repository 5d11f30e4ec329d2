package smtp

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
)

// maxAddress is the longest path of RFC 5321 section 4.5.3.1.3, without its
// angle brackets.
const maxAddress = 254

// validAddress reports whether s can stand between the angle brackets of MAIL
// and RCPT without changing the command. It does not check more: what an
// address means is the relay's to judge. Local names without a domain pass.
func validAddress(s string) bool {
	if len(s) > maxAddress || !utf8.ValidString(s) {
		return false
	}
	quoted, escaped := false, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7f:
			return false
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '<' || c == '>'):
			return false
		}
	}
	return !quoted && !escaped
}

// senders are the reverse paths to try, one or two: the first Return-Path, then
// the configured one, which may be empty (<>). A Return-Path is foreign text:
// one that MAIL cannot carry, to a relay with or without SMTPUTF8, is treated
// as missing rather than allowed to block the message.
func senders(e *deliver.Envelope, from string, utf8 bool) []string {
	if !e.HasSender || e.Sender == from || !validAddress(e.Sender) || needsUTF8(e.Sender) && !utf8 {
		return []string{from}
	}
	return []string{e.Sender, from}
}

// recipients are those that still lack the message, each once.
func recipients(e *deliver.Envelope, to []string) []string {
	if e.Recipients != nil {
		to = e.Recipients
	}
	var out []string
	for _, a := range to {
		if !slices.Contains(out, a) && !slices.Contains(e.Served, a) {
			out = append(out, a)
		}
	}
	return out
}

// needsUTF8 reports whether an address needs SMTPUTF8 (RFC 6531).
func needsUTF8(addr string) bool {
	return strings.ContainsFunc(addr, func(r rune) bool { return r >= 0x80 })
}
