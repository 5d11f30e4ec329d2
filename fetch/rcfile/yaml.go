package rcfile

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// field is a key and its value: a token, string, bool, []string (a list on
// one line), []field (a mapping) or []any (a list of mappings).
type field struct {
	key   string
	value any
}

// token is a word or number that YAML takes as it is.
type token string

func sameYAML(a, b any) bool { return reflect.DeepEqual(a, b) }

// YAML returns the accounts as a configuration, with a comment for each option
// that was not carried over or means something else. It is the same for the
// same input, and holds no secret.
func (r *Result) YAML() []byte {
	var w yamlWriter
	w.comment(0, "From "+r.Format+": "+strings.Join(r.Files, ", "))
	for _, n := range r.Notes {
		if n.Kind != Carried {
			w.comment(0, n.String())
		}
	}
	if len(r.Accounts) == 0 {
		w.line(0, "accounts: {} # nothing could be imported")
		return w.Bytes()
	}
	w.line(0, "accounts:")
	for i, a := range r.Accounts {
		if i > 0 {
			w.WriteByte('\n')
		}
		w.account(a)
	}
	return w.Bytes()
}

// order is how the keys of an account are printed; others follow.
func order() []string {
	return []string{"server", "tls", "insecure", "ca_file", "server_name", "client_cert", "client_key", "min_version",
		"tunnel", "proxy", "bind", "user", "auth", "password", "token", "keep", "max_size", "limit", "to", "deliver"}
}

// all returns the account's keys in the order of printing.
func (a *Account) all() []field {
	rest := append([]field{{"server", hostPort(a.Host, a.Port, usualPort(a.TLS))}, {"user", a.User}, {"deliver", a.targets}}, a.fields...)
	if a.TLS != config.TLSImplicit {
		rest = append(rest, field{"tls", token(a.TLS.String())})
	}
	if a.insecure {
		rest = append(rest, field{"insecure", true})
	}
	if !a.Enabled {
		rest = append(rest, field{"enabled", false})
	}
	var out []field
	for _, key := range order() {
		for i, f := range rest {
			if f.key == key {
				out = append(out, f)
				rest[i].key = ""
			}
		}
	}
	for _, f := range rest {
		if f.key != "" {
			out = append(out, f)
		}
	}
	return out
}

type yamlWriter struct{ bytes.Buffer }

func (w *yamlWriter) line(depth int, s string) {
	w.WriteString(strings.Repeat("  ", depth) + s + "\n")
}

// comment writes text wrapped at a readable width.
func (w *yamlWriter) comment(depth int, text string) {
	line := "#"
	for _, word := range strings.Split(printable(text), " ") {
		if len(line)+1+len(word) > 100 && line != "#" && line != "#  " {
			w.line(depth, line)
			line = "#  "
		}
		line += " " + word
	}
	w.line(depth, line)
}

func (w *yamlWriter) account(a *Account) {
	w.line(1, scalar(a.Name)+":")
	w.fields(2, a.all())
	for _, n := range a.Notes {
		if n.Kind != Carried {
			w.comment(2, n.String())
		}
	}
}

func (w *yamlWriter) fields(depth int, fields []field) {
	for _, f := range fields {
		switch v := f.value.(type) {
		case []field:
			w.line(depth, f.key+":")
			w.fields(depth+1, v)
		case []any:
			w.line(depth, f.key+":")
			w.list(depth+1, v)
		default:
			w.line(depth, f.key+": "+scalar(v))
		}
	}
}

// list writes mappings, each with its first key behind the dash.
func (w *yamlWriter) list(depth int, items []any) {
	for _, item := range items {
		var inner yamlWriter
		inner.fields(depth+1, item.([]field))
		text := inner.Bytes()
		copy(text[2*depth:], "- ")
		w.Write(text)
	}
}

// scalar writes a value that fits on one line.
func scalar(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case token:
		return string(v)
	case []string:
		words := make([]string, len(v))
		for i, s := range v {
			words[i] = scalar(s)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case string:
		if plainScalar(v) {
			return v
		}
		return quote(v)
	}
	return quote(fmt.Sprint(v))
}

// plainScalar reports whether YAML reads s as text without quotes, also within
// a list in brackets. It starts like no number and is no word of its own.
func plainScalar(s string) bool {
	switch strings.ToLower(s) {
	case "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	first := s[0] | 0x20
	if !(first >= 'a' && first <= 'z') && s[0] != '/' && s[0] != '~' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/~._@+-", r)))
	})
}

// quote writes a double-quoted scalar (YAML 1.2 section 7.3.1).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// printable escapes what would act on a terminal or end a comment.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
