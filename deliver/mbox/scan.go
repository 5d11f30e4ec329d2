package mbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
)

// errStop ends a scan early, without an error.
var errStop = errors.New("stop")

// entry is one message in a file.
type entry struct {
	start int64  // of its separator line
	sep   string // the separator line
	body  int64  // what follows the separator line,
	end   int64  // up to here: without the blank line that ends a message
}

// scanner finds messages by their separator lines: each line that begins with
// "From ", for in our formats every other one is quoted. In MBOXCL2 a
// Content-Length that leads to a separator line is believed.
type scanner struct {
	f      io.ReaderAt
	format Format
	size   int64
	r      *bufio.Reader
	at     int64 // of what r gives next

	cur      entry
	open     bool  // cur has begun
	inHeader bool  // of cur
	length   int64 // its Content-Length, or -1
	blank    bool  // the last line was blank
}

// scan calls fn with each message that begins in [begin, size), in order. Zeros
// at the end are part of none.
func scan(ctx context.Context, f io.ReaderAt, begin, size int64, format Format, fn func(entry) error) error {
	size, err := contentEnd(f, size)
	if err != nil {
		return err
	}
	s := scanner{f: f, format: format, size: size, at: begin}
	s.r = bufio.NewReaderSize(io.NewSectionReader(f, begin, size-begin), bufferSize)
	err = s.run(ctx, fn)
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

func (s *scanner) run(ctx context.Context, fn func(entry) error) error {
	start := true
	for i := 0; ; i++ {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		at := s.at
		piece, err := s.r.ReadSlice('\n')
		s.at += int64(len(piece))
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return err
		}
		if start && bytes.HasPrefix(piece, []byte(from)) {
			if ferr := s.finish(at, fn); ferr != nil {
				return ferr
			}
			s.cur, s.open = entry{start: at, sep: string(piece), body: s.at}, true
			s.inHeader, s.length, s.blank = true, -1, false
		} else if len(piece) > 0 {
			if lerr := s.line(piece, start); lerr != nil {
				return lerr
			}
		}
		if errors.Is(err, io.EOF) {
			return s.finish(s.at, fn)
		}
		start = err == nil
	}
}

// finish reports the message that ends before next.
func (s *scanner) finish(next int64, fn func(entry) error) error {
	if !s.open {
		return nil
	}
	s.cur.end = next
	if s.blank {
		s.cur.end--
	}
	return fn(s.cur)
}

func (s *scanner) line(piece []byte, start bool) error {
	s.blank = start && string(piece) == "\n"
	if !s.inHeader || !start {
		return nil
	}
	if s.blank {
		s.inHeader = false
		return s.skipBody()
	}
	if s.format == MBOXCL2 && s.length < 0 && len(piece) > len(contentLength) && bytes.EqualFold(piece[:len(contentLength)], []byte(contentLength)) {
		n, err := strconv.ParseInt(string(bytes.TrimSpace(piece[len(contentLength):])), 10, 64)
		if err == nil && n >= 0 && n < s.size {
			s.length = n
		}
	}
	return nil
}

// skipBody goes to the end of the body if Content-Length gives it.
func (s *scanner) skipBody() error {
	if s.length <= 0 {
		return nil
	}
	ok, err := s.endsAt(s.at + s.length)
	if err != nil || !ok {
		return err
	}
	for left := s.length; left > 0; {
		n, err := s.r.Discard(int(min(left, 1<<30)))
		s.at += int64(n)
		left -= int64(n)
		if err != nil {
			return err
		}
	}
	s.blank = false
	return nil
}

// endsAt reports whether a message can end here: at the end of the file, or
// before an optional blank line and a separator line.
func (s *scanner) endsAt(at int64) (bool, error) {
	if at > s.size {
		return false, nil
	}
	b := make([]byte, 1+len(from))
	n, err := s.f.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	rest := bytes.TrimPrefix(b[:n], []byte("\n"))
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte(from)), nil
}

// contentSum returns the contentHash of a message.
func contentSum(f io.ReaderAt, e entry) (sum [32]byte, err error) {
	h := newContentHash()
	r := bufio.NewReaderSize(io.NewSectionReader(f, e.body, e.end-e.body), bufferSize)
	for start := true; ; {
		piece, err := r.ReadSlice('\n')
		if len(piece) > 0 {
			h.add(piece, start)
		}
		if errors.Is(err, io.EOF) {
			return h.result(), nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return sum, err
		}
		start = err == nil
	}
}

// contentHash distinguishes a message, as it is in the file, from others, without the
// header fields that readers keep there: it finds a message again after a
// reader has rewritten the file. It is the SHA-256 of the header, with the
// length and the CRC-32C of the body at its end: a second SHA-256 of all that
// is delivered is a tenth of the work, and who sends two messages with one
// header and one CRC harms nobody else.
type contentHash struct {
	head   hash.Hash
	w      *bufio.Writer // to head: lines are short, and SHA-256 likes blocks
	body   uint32
	length uint64 // of the body
	filter fieldFilter
}

func newContentHash() *contentHash {
	h := &contentHash{head: sha256.New()}
	h.w = bufio.NewWriterSize(h.head, 8<<10)
	h.reset()
	return h
}

func (h *contentHash) reset() {
	h.head.Reset()
	h.w.Reset(h.head)
	h.body, h.length, h.filter = 0, 0, fieldFilter{}
}

// add takes a piece of a line; atStart means that it is the first of its line.
func (h *contentHash) add(p []byte, atStart bool) {
	switch {
	case h.filter.inBody:
		h.body = crc32.Update(h.body, castagnoli(), p)
		h.length += uint64(len(p))
	case h.filter.keep(p, atStart):
		_, _ = h.w.Write(p) // a hash takes everything
	}
}

func (h *contentHash) result() (sum [sha256.Size]byte) {
	var end [12]byte
	binary.BigEndian.PutUint64(end[:], h.length)
	binary.BigEndian.PutUint32(end[8:], h.body)
	_, _ = h.w.Write(end[:])
	_ = h.w.Flush()
	h.head.Sum(sum[:0])
	return sum
}

// fieldFilter finds the header fields that readers keep in the file.
type fieldFilter struct {
	inBody   bool
	dropping bool // inside such a field
}

// keep reports whether a piece of a line is not part of such a field. A first
// piece (atStart) is the whole line or longer than any field's name, or it is
// what our quoting has put there. It is not empty.
func (f *fieldFilter) keep(p []byte, atStart bool) bool {
	switch {
	case f.inBody || !atStart:
	case p[0] == '\n':
		f.inBody, f.dropping = true, false
	case p[0] != ' ' && p[0] != '\t': // else a continuation: as the field's first line
		f.dropping = readerField(p)
	}
	return !f.dropping
}

// readerField reports whether a header line is of a field that mail readers
// and delivery agents add, change and remove in an mbox.
func readerField(line []byte) bool {
	name, _, found := bytes.Cut(line[:min(len(line), len("X-Mozilla-Status2:"))], []byte(":"))
	if !found {
		return false
	}
	return slices.ContainsFunc([]string{
		"Status", "X-Status", "X-Keywords", "X-UID", "X-IMAP", "X-IMAPbase", "Content-Length", "Lines",
		"X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys",
	}, func(s string) bool { return len(s) == len(name) && strings.EqualFold(s, string(name)) })
}
