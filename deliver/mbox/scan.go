package mbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
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
