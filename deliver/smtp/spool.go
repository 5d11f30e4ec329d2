package smtp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/mailhaul/mailhaul/deliver"
)

const (
	// spoolMemory is how much of a message is kept in memory.
	spoolMemory = 256 << 10
	// readChunk is the unit in which a body is read and a spool file sent.
	readChunk = 32 << 10
)

// spool holds one message as it goes over the wire: the front in an unlinked
// file if it is large, the rest, with the final dot, in memory.
type spool struct {
	dir  string
	file *os.File
	path string // set while the file has a name (Windows)
	inf  int64  // octets in file
	tail []byte

	size  int64 // octets of the message as SIZE counts them (RFC 1870 section 5)
	bits  byte  // all bytes or-ed: 8-bit if >= 0x80
	begun bool  // in the middle of a line
	cr    bool  // the last byte was a CR, sent as CRLF: a LF belongs to it
}

// fill encodes body to its end. chunk is scratch space.
func (s *spool) fill(ctx context.Context, body io.Reader, chunk []byte) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := body.Read(chunk)
		s.encode(chunk[:n])
		if len(s.tail) >= spoolMemory {
			if werr := s.flush(); werr != nil {
				return &deliver.Error{Class: deliver.IOError, Err: werr}
			}
		}
		if errors.Is(err, io.EOF) {
			s.finish()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// encode appends p with CRLF line ends and doubled leading dots.
func (s *spool) encode(p []byte) {
	for _, c := range p {
		s.bits |= c
	}
	for len(p) > 0 {
		if s.cr {
			s.cr = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		if !s.begun && p[0] == '.' {
			s.tail = append(s.tail, '.')
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			s.tail = append(s.tail, p...)
			s.size += int64(len(p))
			s.begun = true
			return
		}
		s.tail = append(append(s.tail, p[:i]...), '\r', '\n')
		s.size += int64(i) + 2
		s.cr = p[i] == '\r'
		s.begun = false
		p = p[i+1:]
	}
}

// finish ends the last line and appends the final dot.
func (s *spool) finish() {
	if s.begun {
		s.tail = append(s.tail, '\r', '\n')
		s.size += 2
	}
	s.tail = append(s.tail, '.', '\r', '\n')
}

// flush moves what is in memory to the file.
func (s *spool) flush() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "mailhaul-smtp-*")
		if err != nil {
			return err
		}
		s.file = f
		if os.Remove(f.Name()) != nil { // Windows removes no open file
			s.path = f.Name()
		}
	}
	n, err := s.file.Write(s.tail)
	s.inf += int64(n)
	s.tail = s.tail[:0]
	return err
}

// discard releases the file. Idempotent.
func (s *spool) discard() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.path != "" {
		err = errors.Join(err, os.Remove(s.path))
	}
	s.file = nil
	return err
}
