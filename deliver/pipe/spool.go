package pipe

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
	readChunk   = 32 << 10
)

// spool holds one message: the front in an unlinked file if it is large, the
// rest in memory. Staged whole, because a command must not be started for a
// message that the server fails to send to its end.
type spool struct {
	dir  string
	crlf bool
	file *os.File
	path string // set while the file has a name (Windows)
	inf  int64  // bytes in file
	tail []byte
}

// fill stages body to its end. chunk is scratch space.
func (s *spool) fill(ctx context.Context, body io.Reader, chunk []byte) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := body.Read(chunk)
		s.put(chunk[:n])
		if len(s.tail) >= spoolMemory {
			if werr := s.flush(); werr != nil {
				return &deliver.Error{Class: deliver.IOError, Err: werr}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *spool) put(p []byte) {
	for s.crlf && len(p) > 0 {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		s.tail = append(s.tail, line...)
		if found {
			s.tail = append(s.tail, '\r', '\n')
		}
		p = rest
	}
	s.tail = append(s.tail, p...)
}

// flush moves what is in memory to the file.
func (s *spool) flush() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "mailhaul-pipe-*")
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

// reader reads the message from its start.
func (s *spool) reader() io.Reader {
	if s.file == nil {
		return bytes.NewReader(s.tail)
	}
	return io.MultiReader(io.NewSectionReader(s.file, 0, s.inf), bytes.NewReader(s.tail))
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
