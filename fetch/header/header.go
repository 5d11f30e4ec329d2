// Package header reads the header of a message: its dates and addresses, a
// fingerprint that identifies it, and what servers add to it.
package header

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/state"
)

// MaxSize is how much of a message's beginning is held to look at its
// header. A longer header is delivered whole, but only this much is read for
// dates and addresses.
const MaxSize = 256 << 10

// Header is the raw header of a message, LF line ends, up to and including
// the empty line if that was reached.
type Header []byte

// Read reads the header from r without losing a byte: what it read is
// the start of the message and r has the rest. The bytes are valid until r is
// reset or read.
func Read(r *bufio.Reader) (Header, error) {
	for n := 1024; ; n *= 2 {
		n = min(n, MaxSize)
		b, err := r.Peek(n)
		h, whole := Of(b)
		if whole {
			return h, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil || n == MaxSize {
			return h, nil
		}
	}
}

// Of is the header of a message that begins with b, and whether it is whole: b
// has its empty line.
func Of(b []byte) (h Header, whole bool) {
	if len(b) > 0 && b[0] == '\n' {
		return Header(b[:1]), true
	}
	if i := bytes.Index(b, []byte("\n\n")); i >= 0 {
		return Header(b[:i+2]), true
	}
	return Header(b), false
}

// Fields yields the fields in order: the name as written and the value with
// its folding (RFC 5322 section 2.2.3) still in it.
func (h Header) Fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for rest := []byte(h); len(rest) > 0 && rest[0] != '\n'; {
			end := fieldEnd(rest)
			name, value, ok := bytes.Cut(rest[:end], []byte(":"))
			rest = rest[end:]
			if ok && !yield(bytes.TrimRight(name, " \t"), value) {
				return
			}
		}
	}
}

// fieldEnd is the length of the first field with its continuation lines.
func fieldEnd(b []byte) int {
	for i := 0; ; {
		nl := bytes.IndexByte(b[i:], '\n')
		if nl < 0 {
			return len(b)
		}
		i += nl + 1
		if i >= len(b) || b[i] != ' ' && b[i] != '\t' {
			return i
		}
	}
}

// Get returns the nth (from 1) field of a name, unfolded and trimmed.
func (h Header) Get(name string, nth int) (string, bool) {
	v, ok := h.raw(name, nth)
	return Text(v), ok
}

// Text is a value of Fields, unfolded and trimmed.
func Text(value []byte) string {
	var scratch [256]byte
	return string(unfold(scratch[:0], value))
}

// raw is get without the unfolding.
func (h Header) raw(name string, nth int) ([]byte, bool) {
	for n, v := range h.Fields() {
		if len(n) != len(name) || !strings.EqualFold(string(n), name) {
			continue
		}
		if nth--; nth == 0 {
			return v, true
		}
	}
	return nil, false
}

// unfold appends a value to b, with continuation lines joined and blanks
// squeezed.
func unfold(b, v []byte) []byte {
	start := len(b)
	for _, c := range v {
		switch {
		case c >= utf8.RuneSelf: // some blanks are not ASCII
			return append(b[:start], bytes.Join(bytes.Fields(v), []byte(" "))...)
		case c != ' ' && (c < '\t' || c > '\r'):
			b = append(b, c)
		case len(b) > start && b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	if len(b) > start && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// identifying are the fields that stay the same between TOP and RETR, from
// session to session and when a provider moves a mailbox.
var identifying = []string{"message-id", "date", "from", "to", "subject"}

// Fingerprint identifies a message where UIDs cannot. Without Message-ID and
// Date, as some devices write, the other fields are the same in many messages:
// it is then taken over the whole header, which has the times of its way.
func (h Header) Fingerprint() state.Fingerprint {
	var scratch [1 << 10]byte
	b := scratch[:0]
	found := false
	for _, name := range identifying {
		v, _ := h.raw(name, 1)
		start := len(b)
		b = unfold(b, v)
		found = found || len(b) > start && (name == "message-id" || name == "date")
		b = append(b, '\n')
	}
	if !found {
		b = bytes.TrimRight(h.stripped(), "\n")
	}
	sum := sha256.Sum256(b)
	return state.Fingerprint(sum[:16])
}

// Date says when the message was received: the date of its topmost Received
// field, else of its Date field, else otherwise. Dates before 1980
// or more than a day ahead are not believed.
func (h Header) Date(otherwise time.Time) time.Time {
	if v, ok := h.Get("Received", 1); ok {
		if i := strings.LastIndexByte(v, ';'); i >= 0 {
			if t, ok := sane(v[i+1:]); ok {
				return t
			}
		}
	}
	if v, ok := h.Get("Date", 1); ok {
		if t, ok := sane(v); ok {
			return t
		}
	}
	return otherwise
}

// usualDate is how nearly all dates are written; mail.ParseDate knows all
// forms, and tries them one after the other.
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

func sane(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	t, err := time.Parse(usualDate, s)
	if err != nil {
		t, err = mail.ParseDate(s)
	}
	if err != nil || t.Year() < 1980 || time.Until(t) > 24*time.Hour {
		return time.Time{}, false
	}
	return t, true
}

// Sender is the address of the topmost Return-Path field.
func (h Header) Sender() (addr string, ok bool) {
	v, ok := h.Get("Return-Path", 1)
	if !ok {
		return "", false
	}
	return address(v), true
}

// address takes the address out of a trace field: in angle brackets or bare.
// Anything that could not stand in an SMTP command is no address.
func address(v string) string {
	v = strings.TrimSpace(v)
	if before, rest, ok := strings.Cut(v, "<"); ok {
		if strings.Contains(before, ">") || strings.Contains(rest, "<") {
			return "" // it is ambiguous
		}
		v, _, _ = strings.Cut(rest, ">")
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return v
}
