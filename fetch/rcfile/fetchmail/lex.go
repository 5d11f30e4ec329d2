package fetchmail

import (
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// token is one token of a fetchmailrc.
type token struct {
	kind tokenKind
	text string // a string's value, a word as it stands
	num  int64
	line int
	// backslash says that escapes were read: their meaning changed in 6.6.7.
	backslash bool
}

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokString           // quoted, literal, or a word that is no keyword
	tokNumber
	tokWord // a keyword
	tokMap  // =
)

// lexer splits a fetchmailrc into tokens as fetchmail does: the longest
// match wins, and some keywords make the next token literal.
type lexer struct {
	file, rest string
	line       int
	literal    bool // after user, password, is, to and =
	auth       bool // after auth: password is a method
}

// next returns the next token; noise is passed over.
func (l *lexer) next() (token, error) {
	for {
		l.space()
		t := token{line: l.line}
		switch {
		case l.rest == "":
			return t, nil
		case strings.IndexByte(";:,", l.rest[0]) >= 0:
			l.rest = l.rest[1:]
			continue
		case l.rest[0] == '=':
			l.rest, l.literal, t.kind = l.rest[1:], true, tokMap
			return t, nil
		}
		quoted, word := l.quoted(), l.word()
		if quoted == 0 && word == 0 {
			return t, rcfile.Syntax(l.file, l.line, "unexpected character %q", l.rest[0])
		}
		if quoted >= word {
			raw := l.take(quoted)
			l.literal, l.auth = false, false
			t.kind, t.text, t.backslash = tokString, escapes(raw[1:len(raw)-1]), strings.Contains(raw, `\`)
			return t, nil
		}
		raw := l.take(word)
		if !l.literal && noise(raw) {
			continue
		}
		l.classify(&t, raw)
		return t, nil
	}
}

// space passes blanks, newlines and comments, which start where a token may.
func (l *lexer) space() {
	for l.rest != "" {
		switch {
		case strings.IndexByte(" \t\r\n", l.rest[0]) >= 0:
			l.take(1)
		case l.rest[0] == '#':
			end := strings.IndexByte(l.rest, '\n')
			if end < 0 {
				end = len(l.rest)
			}
			l.take(end)
		case strings.HasPrefix(l.rest, "\\\n"):
			l.take(2)
		default:
			return
		}
	}
}

func (l *lexer) take(n int) string {
	s := l.rest[:n]
	l.rest = l.rest[n:]
	l.line += strings.Count(s, "\n")
	return s
}

// quoted and word return the length of such a token here; 0 for none.
func (l *lexer) quoted() int {
	if q := l.rest[0]; q == '"' || q == '\'' {
		if end := strings.IndexByte(l.rest[1:], q); end >= 0 {
			return end + 2
		}
	}
	return 0
}

func (l *lexer) word() int {
	if end := strings.IndexAny(l.rest, "=;:, \t\r\n"); end >= 0 {
		return end
	}
	return len(l.rest)
}

// classify decides what a word is, and what it makes of the next one.
func (l *lexer) classify(t *token, raw string) {
	literal, auth := l.literal, l.auth
	t.kind, t.text = tokString, raw
	if literal {
		l.literal = false
	} else if n, err := strconv.ParseInt(raw, 10, 64); err == nil && raw[0] != '+' {
		t.kind, t.num = tokNumber, n
		return
	} else if word := keyword(raw); word != "" && (word != "password" || !auth) {
		t.kind, t.text = tokWord, word
		l.literal = word == "user" || word == "password" || word == "is" || word == "to"
		l.auth = word == "auth"
		return
	}
	l.auth = false
	t.text, t.backslash = escapes(raw), strings.Contains(raw, `\`)
}

func noise(s string) bool {
	switch s {
	case "and", "with", "has", "wants", "options":
		return true
	}
	return false
}

// keyword returns the keyword that s spells, in one spelling; else "".
func keyword(s string) string {
	switch s {
	case "server":
		return "poll"
	case "local":
		return "localdomains"
	case "proto":
		return "protocol"
	case "service":
		return "port"
	case "authenticate", "preauth", "preauthenticate":
		return "auth"
	case "username":
		return "user"
	case "pass":
		return "password"
	case "folders":
		return "folder"
	case "smtp":
		return "smtphost"
	case "pre":
		return "preconnect"
	case "post":
		return "postconnect"
	case "pass8":
		return "pass8bits"
	case "mimedec":
		return "mimedecode"
	}
	if rest, ok := strings.CutPrefix(s, "no"); ok && rest != "" && negatable(alias(rest)) {
		return "no" + alias(rest)
	}
	if strings.Contains(" "+keywords+" ", " "+s+" ") {
		return s
	}
	return ""
}

func alias(s string) string {
	switch s {
	case "pass8":
		return "pass8bits"
	case "mimedec":
		return "mimedecode"
	}
	return s
}

const (
	keywords = "set defaults poll skip no here there via aka localdomains protocol port interval auth timeout envelope " +
		"qvirtual principal esmtpname esmtppassword plugin plugout interface monitor dns checkalias uidl tracepolls " +
		"bad-header accept reject retrieve-error user is to password folder smtphost fetchdomains smtpaddress smtpname " +
		"antispam mda bsmtp lmtp preconnect postconnect keep flush limitflush fetchall rewrite stripcr forcecr pass8bits " +
		"dropstatus dropdelivered mimedecode idle forceidle idletimeout moveto limit warnings batchlimit fetchlimit " +
		"fetchsizelimit fastuidl expunge properties ssl sslcert sslkey sslproto sslcertck sslcertfile sslcertpath " +
		"sslcommonname sslfingerprint logfile idfile pidfile daemon syslog invisible showdots postmaster bouncemail " +
		"spambounce softbounce"
	negatableWords = "bouncemail uidl checkalias dns envelope keep flush limitflush fetchall rewrite forcecr stripcr pass8bits " +
		"dropstatus dropdelivered mimedecode spambounce idle forceidle"
)

// negatable reports the words that may follow no without a blank.
func negatable(s string) bool { return strings.Contains(" "+negatableWords+" ", " "+s+" ") }

// escapes replaces escapes: \xHH, \0 with octal digits, \ddd in decimal, C's
// letters; a backslash at a line's end joins it with the next.
func escapes(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch c := s[i]; {
		case c == 'x' || c == 'X':
			n, v := digits(s[i+1:], 2, 16)
			b.WriteByte(v)
			i += n
		case c == '0':
			n, v := digits(s[i:], 3, 8)
			b.WriteByte(v)
			i += n - 1
		case c >= '1' && c <= '9':
			n, v := digits(s[i:], 3, 10)
			b.WriteByte(v)
			i += n - 1
		case c == '\n':
		case strings.IndexByte("ntbr", c) >= 0:
			b.WriteByte("\n\t\b\r"[strings.IndexByte("ntbr", c)])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// digits reads up to limit digits; the value wraps as a C char does.
func digits(s string, limit, base int) (n int, v byte) {
	total := 0
	for n < len(s) && n < limit {
		d := strings.IndexByte("0123456789abcdef"[:base], s[n]|lowerBit(s[n]))
		if d < 0 {
			break
		}
		total = total*base + d
		n++
	}
	return n, byte(total)
}

// lowerBit is what makes a letter lower case; digits stay.
func lowerBit(c byte) byte {
	if c >= 'A' && c <= 'F' {
		return 0x20
	}
	return 0
}
