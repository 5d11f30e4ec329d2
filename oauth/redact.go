package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	redacted = "[redacted]"
	// maxTold bounds, in bytes, what is kept of a provider's text.
	maxTold = 300
	// secretRun is how long a word of a token's alphabet may be before it is
	// taken for one. Trace ids have 36 characters.
	secretRun = 40
	// shortest is the length below which a known secret is not searched for:
	// it would blank out ordinary words.
	shortest = 4
)

// secrets are what must not be in any text of one exchange.
type secrets []string

// Redact replaces the given secrets in text, plain and percent-encoded, and
// every word that is long enough to be a token.
func Redact(text string, known ...string) string { return secrets(known).redact(text) }

func (s secrets) redact(text string) string {
	all := slices.Clone(s)
	for _, one := range s {
		all = append(all, url.QueryEscape(one), url.PathEscape(one))
	}
	// The longest first, so that no tail of one is left.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, one := range all {
		if len(one) >= shortest {
			text = strings.ReplaceAll(text, one, redacted)
		}
	}
	return redactRuns(text)
}

// redactRuns blanks out what looks like a token, whoever's it is.
func redactRuns(text string) string {
	var b strings.Builder
	for text != "" {
		n := strings.IndexFunc(text, func(r rune) bool { return !tokenRune(r) })
		switch {
		case n < 0:
			n = len(text)
		case n == 0:
			_, n = utf8.DecodeRuneInString(text)
		}
		if n >= secretRun {
			b.WriteString(redacted)
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

func tokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+=%!*$", r)
}

// clean makes a provider's text fit for an error: without secrets, escaped, cut,
// and in one line.
func (s secrets) clean(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	// Microsoft appends ids and a time that help its support only.
	text, _, _ = strings.Cut(text, " Trace ID:")
	return clip(escape(s.redact(text)))
}

// escape makes control and other unprintable characters, and quotes, visible.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\'')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func clip(s string) string {
	if len(s) > maxTold {
		return strings.ToValidUTF8(s[:maxTold], "") + "..."
	}
	return s
}
