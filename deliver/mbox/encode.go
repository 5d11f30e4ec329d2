package mbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

const (
	bufferSize = 64 << 10
	// ctxEvery is how many pieces of a message are handled between two looks
	// at the context.
	ctxEvery = 4096
	// maxFieldName is how far a field's name is looked at.
	maxFieldName = 4 << 10
)

const (
	from          = "From "
	quotedFrom    = ">From "
	contentLength = "Content-Length:"
	renamed       = "X-Mailhaul-"
)

// encoder turns one message into its form in the file, in one pass and without
// holding a line of it: a line may be as long as the message. The header goes
// line by line, the body as many lines at a time as are in the buffer.
type encoder struct {
	format Format
	r      *bufio.Reader // the message; its errors must be sticky
	w      io.Writer     // the spool
	sum    *contentHash  // of what was written

	inHeader bool
	bodyLen  int64 // octets after the header's blank line
	last     byte  // the last octet written
	added    bool  // a final newline was missing
}

// run encodes to the end of the message.
func (e *encoder) run(ctx context.Context) error {
	e.inHeader, e.bodyLen, e.last, e.added = true, 0, 0, false
	for i := 0; ; i++ {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := e.r.Peek(1); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := e.some(); err != nil {
			return err
		}
	}
	if e.last != '\n' {
		e.added = true
		return e.put([]byte("\n"), e.inHeader && e.bodyLen == 0)
	}
	return nil
}

// some writes a line of the header, or lines of the body.
func (e *encoder) some() error {
	if e.inHeader {
		return e.line()
	}
	have, _ := e.r.Peek(e.r.Buffered())
	whole := have[:bytes.LastIndexByte(have, '\n')+1]
	if len(whole) == 0 {
		return e.line() // it ends beyond the buffer
	}
	if err := e.lines(whole); err != nil {
		return err
	}
	_, _ = e.r.Discard(len(whole)) // was peeked at
	return nil
}

// lines writes whole lines of the body, with one ">" more before each "From "
// that is to be quoted.
func (e *encoder) lines(p []byte) error {
	done := 0
	if quoting(e.format, false) {
		for at := e.quoteAt(p, 0); at >= 0; at = e.quoteAt(p, at+len(from)) {
			if err := errors.Join(e.put(p[done:at], true), e.put([]byte(">"), false)); err != nil {
				return err
			}
			done = at
		}
	}
	return e.put(p[done:], done == 0)
}

// quoteAt returns where in p, whole lines, the next "From " is that must be
// quoted, or -1: one that begins its line or, except for MBOXO, follows only ">".
func (e *encoder) quoteAt(p []byte, at int) int {
	for ; ; at += len(from) {
		i := bytes.Index(p[at:], []byte(from))
		if i < 0 {
			return -1
		}
		at += i
		start := at
		for e.format != MBOXO && start > 0 && p[start-1] == '>' {
			start--
		}
		if start == 0 || p[start-1] == '\n' {
			return at
		}
	}
}

// line writes one line, quoted where it must be.
func (e *encoder) line() error {
	start := true
	if quoting(e.format, e.inHeader) {
		var err error
		if start, err = e.quote(); err != nil {
			return err
		}
	}
	if e.format == MBOXCL2 && e.inHeader {
		if ahead, _ := e.r.Peek(maxFieldName); isContentLength(ahead) {
			if err := e.put([]byte(renamed), true); err != nil {
				return err
			}
			start = false
		}
	}
	for {
		piece, err := e.r.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return err
		}
		if perr := e.put(piece, start); perr != nil {
			return perr
		}
		if e.inHeader && start && string(piece) == "\n" {
			e.inHeader, e.bodyLen = false, 0
		}
		if whole || errors.Is(err, io.EOF) {
			return nil
		}
		start = false
	}
}

// quoting reports whether lines are quoted in this part of a message.
func quoting(f Format, inHeader bool) bool { return f != MBOXCL2 || inHeader }

// quote writes what goes before the rest of the line: one ">" more if it is to
// be quoted. The number of ">" has no limit, so those of an mboxrd line are
// passed on while looking for its "From "; where the additional one stands
// among them makes no difference. atStart is false if something was written.
func (e *encoder) quote() (atStart bool, err error) {
	atStart = true
	for e.format != MBOXO {
		if next, _ := e.r.Peek(1); len(next) == 0 || next[0] != '>' {
			break
		}
		if err := e.put([]byte(">"), atStart); err != nil {
			return false, err
		}
		_, _ = e.r.Discard(1) // was peeked at
		atStart = false
	}
	if next, _ := e.r.Peek(len(from)); string(next) != from {
		return atStart, nil
	}
	return false, e.put([]byte(">"), atStart)
}

// put writes a piece of a line; atStart means that it is the first of its line.
func (e *encoder) put(p []byte, atStart bool) error {
	if len(p) == 0 {
		return nil
	}
	e.bodyLen += int64(len(p))
	e.last = p[len(p)-1]
	e.sum.add(p, atStart)
	_, err := e.w.Write(p)
	return err
}

// isContentLength matches /^(X-Mailhaul-)*Content-Length[ \t]*:/ without regard
// to case: RFC 5322 section 4.5.8 has readers take space before the colon.
func isContentLength(line []byte) bool {
	for len(line) >= len(renamed) && bytes.EqualFold(line[:len(renamed)], []byte(renamed)) {
		line = line[len(renamed):]
	}
	const name = len(contentLength) - 1
	return len(line) > name && bytes.EqualFold(line[:name], []byte(contentLength[:name])) &&
		bytes.HasPrefix(bytes.TrimLeft(line[name:], " \t"), []byte(":"))
}

// castagnoli is crc32.MakeTable's own cached table.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// stickyReader repeats a reader's first error: bufio forgets the one that Peek
// met.
type stickyReader struct {
	r   io.Reader
	err error
}

func (s *stickyReader) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.r.Read(p)
	return n, s.err
}

// maxSender bounds the sender in a separator line (RFC 5321 section 4.5.3.1.3:
// a path has at most 256 octets).
const maxSender = 256

// separator returns the line before a message.
func separator(e deliver.Envelope) string {
	return "From " + sender(e) + " " + e.Date.UTC().Format(time.ANSIC) + "\n"
}

// sender returns a single word: readers find the date by counting words, and
// what a server sent must not end the line.
func sender(e deliver.Envelope) string {
	if !e.HasSender || e.Sender == "" || len(e.Sender) > maxSender {
		return "MAILER-DAEMON"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' {
			return '_'
		}
		return r
	}, e.Sender)
}
