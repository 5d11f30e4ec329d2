package pop3

import (
	"bytes"
	"errors"
	"io"
)

const (
	bodySlack      = 64 << 20
	maxUnknownBody = 8 << 30 // twice what a size of 32 bits can say
)

// terminator ends a multi-line reply, at the beginning of a line.
const terminator = ".\r\n"

var errBodyDone = errors.New("body read after its callback returned")

// maxBody is the most octets a body may have. The sizes in LIST are often wrong
// (RFC 1939 section 11; some servers list compressed sizes), so the limit is wide:
// it ends a body that never ends.
func maxBody(size int64) int64 {
	if size <= 0 || size > absurd {
		return maxUnknownBody
	}
	return 4*size + bodySlack
}

// Body is the reader that a RetrieveFunc gets: one message, dots unstuffed
// (RFC 1939 section 3), line ends as Server.LF says. It ends with io.EOF only
// after the terminator CRLF "." CRLF, and is valid until the callback returns.
type Body struct {
	w     *wire
	fail  func(error) error // names the error and breaks the client
	lf    bool
	bol   bool // the next octet begins a line
	cr    bool // the last octet returned was a CR
	limit int64
	n     int64
	err   error        // io.EOF once the end is proved
	ended bool         // the terminator was read
	prove func() error // reads the reply that follows; nil: the terminator is proof
	m     Measure      // without Octets: see measure
	sizes *SizeRecord
}

// measure is the size so far.
func (b *Body) measure() Measure {
	m := b.m
	m.Octets = b.n - m.Dots - m.Bare
	if b.ended {
		m.Octets -= int64(len(terminator))
	}
	return m
}

// Doubt returns, at the end of a body from Retrieve, why the message may not be
// whole although the server ended it: its size is far from the announced one, or
// dots are missing. Nil: the message is whole.
func (b *Body) Doubt() error {
	if b.sizes == nil {
		return nil
	}
	return b.measure().doubt(b.sizes)
}

// Octets is how many octets have been read from the wire so far, stuffing and
// terminator included.
func (b *Body) Octets() int64 { return b.n }

// Read implements io.Reader. An error other than io.EOF means that the session
// is broken: it is a *ConnError (the connection ended before the terminator:
// io.ErrUnexpectedEOF inside) or a *ProtocolError (longer than any sane body).
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, b.err
	}
	n := 0
	for b.err == nil && !b.ended && n < len(p) {
		got, more := b.step(p[n:])
		n += got
		if !more {
			continue
		}
		if n > 0 {
			return n, nil // do not wait for the network while there is data
		}
		if err := b.w.fill(); err != nil {
			b.err = b.fail(err)
		}
	}
	if n > 0 {
		return n, nil
	}
	if b.ended && b.err == nil {
		b.end()
	}
	return 0, b.err
}

// end reads the reply that follows.
func (b *Body) end() {
	b.err = io.EOF
	if b.prove != nil {
		if err := b.prove(); err != nil {
			b.err = err
		}
	}
}

// step moves at most one line from the buffer to p, which is not empty. More means
// that it needs another octet.
func (b *Body) step(p []byte) (n int, more bool) {
	have := b.w.buf[b.w.r:b.w.w]
	if len(have) == 0 {
		return 0, true
	}
	if b.bol {
		switch have[0] {
		case '.':
			return 0, b.dot(have)
		case '+', '-':
			if len(have) < len("-ERR") {
				return 0, true // more must come: at least the terminator
			}
			if isReply(have) {
				b.m.Replies++
			}
		}
	}
	seg := have[:min(len(have), len(p))]
	i := bytes.IndexByte(seg, '\n')
	if i < 0 {
		if b.lf && seg[len(seg)-1] == '\r' {
			return b.tail(p, seg[:len(seg)-1], have)
		}
		b.bol, b.cr = false, seg[len(seg)-1] == '\r'
		b.take(len(seg))
		return copy(p, seg), false
	}
	crlf := b.cr
	if i > 0 {
		crlf = seg[i-1] == '\r'
	}
	b.bol, b.cr = crlf, false
	if crlf {
		b.m.Lines++
	}
	b.take(i + 1)
	if b.lf && crlf {
		n = copy(p, seg[:i-1])
		p[n] = '\n'
		return n + 1, false
	}
	return copy(p, seg[:i+1]), false
}

// isReply reports whether a line begins as a reply does.
func isReply(line []byte) bool {
	return bytes.HasPrefix(line, []byte("+OK")) || bytes.HasPrefix(line, []byte("-ERR"))
}

// dot handles a line that begins with a dot: the terminator, or a stuffed dot.
func (b *Body) dot(have []byte) (more bool) {
	if len(have) < len(terminator) && terminator[:len(have)] == string(have) {
		return true
	}
	if len(have) >= len(terminator) && string(have[:len(terminator)]) == terminator {
		b.take(len(terminator))
		b.ended = true
		return false
	}
	if have[1] == '.' {
		b.m.Dots++
	} else {
		b.m.Bare++
	}
	b.bol, b.cr = false, false
	b.take(1)
	return false
}

// tail returns what precedes a CR at the end of the segment, and the CR itself only
// when the octet after it is known (LF mode).
func (b *Body) tail(p, before, have []byte) (n int, more bool) {
	switch {
	case len(before) > 0:
		b.bol, b.cr = false, false
		b.take(len(before))
		return copy(p, before), false
	case len(have) < 2:
		return 0, true
	case have[1] == '\n':
		b.bol, b.cr = true, false
		b.m.Lines++
		b.take(2)
		p[0] = '\n'
		return 1, false
	}
	b.bol, b.cr = false, false
	b.take(1)
	p[0] = '\r'
	return 1, false
}

func (b *Body) take(n int) {
	b.w.r += n
	b.n += int64(n)
	if b.n > b.limit {
		b.err = b.fail(errBodyTooLong)
	}
}

// discard reads the rest, so that the next reply can be read.
func (b *Body) discard(scratch []byte) error {
	for b.err == nil {
		_, _ = b.Read(scratch) // the error is kept in b.err
	}
	if b.err == io.EOF {
		return nil
	}
	return b.err
}
