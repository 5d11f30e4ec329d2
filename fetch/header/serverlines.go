package header

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
)

// serverFields are the header fields that POP3 servers and other programs at
// the mailbox write into the messages that they keep, and change when a message
// was read. They are not part of a message.
//
// Status, X-Status, X-UID, X-Keywords, X-IMAP, X-IMAPbase, Content-Length: mbox
// servers and readers (Dovecot's documentation of mbox; UW imapd, unix.c;
// mailutils, which also writes X-UIDL; RFC 4155 appendix A warns of them).
// X-UIDL: Qpopper and Cucipop, mailutils.
var serverFields = []string{"status", "x-status", "x-uid", "x-uidl", "x-keywords", "x-imap", "x-imapbase", "content-length"}

func serverField(name []byte) bool {
	return slices.ContainsFunc(serverFields, func(f string) bool { return len(name) == len(f) && strings.EqualFold(string(name), f) })
}

// hasServerFields reports whether a header has one of them.
func (h Header) hasServerFields() bool {
	for name := range h.Fields() {
		if serverField(name) {
			return true
		}
	}
	return false
}

// stripped is the header without them, itself if it has none.
func (h Header) stripped() Header {
	if !h.hasServerFields() {
		return h
	}
	var b bytes.Buffer
	h.withoutServerFields(&b)
	return Header(b.Bytes())
}

// withoutServerFields writes the header without them.
func (h Header) withoutServerFields(w io.Writer) {
	rest := []byte(h)
	for len(rest) > 0 && rest[0] != '\n' {
		end := fieldEnd(rest)
		name, _, ok := bytes.Cut(rest[:end], []byte(":"))
		if !ok || !serverField(bytes.TrimRight(name, " \t")) {
			_, _ = w.Write(rest[:end])
		}
		rest = rest[end:]
	}
	_, _ = w.Write(rest)
}

// OwnContent is Content for a message that is being delivered. The sum is zero
// where it would be that of what is delivered, as nearly always: so it costs
// nothing. Changed says that something is added to the message here.
func OwnContent(h Header, message io.Reader, changed bool) (io.Reader, func() [sha256.Size]byte) {
	if !changed && !h.hasServerFields() {
		return message, func() (none [sha256.Size]byte) { return none }
	}
	return Content(h, message)
}

// Content returns a reader of a message that starts with the header h, and
// what gives the sum of its content once that is read to its end: the message
// without the fields of servers.
func Content(h Header, message io.Reader) (io.Reader, func() [sha256.Size]byte) {
	sum := sha256.New()
	h.withoutServerFields(sum)
	return io.TeeReader(message, &skipper{len(h), sum}), func() [sha256.Size]byte { return [sha256.Size]byte(sum.Sum(nil)) }
}

// skipper passes on what comes after the first octets.
type skipper struct {
	skip int
	w    io.Writer
}

func (s *skipper) Write(p []byte) (int, error) {
	n := min(s.skip, len(p))
	s.skip -= n
	_, err := s.w.Write(p[n:])
	return len(p), err
}
