// Package spool stages one message for a target that must not be started for a
// message that may not come to its end: a relay, a command. What is small stays
// in memory; the front of what is large goes to a file that has no name.
package spool

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/mailhaul/mailhaul/deliver"
)

const (
	// Memory is how much of a message is kept in memory.
	Memory = 256 << 10
	// Chunk is a good size for reading a message.
	Chunk = 32 << 10
)

// Pool keeps the buffers of messages that are done: one batch is staged while
// another is published.
type Pool chan *buffers

// buffers are what staging one message needs.
type buffers struct{ chunk, tail []byte }

// NewPool returns a pool for two batches of one message.
func NewPool() Pool { return make(Pool, 2) }

// Spool holds one message. The zero value with Pool set is ready for Fill.
type Spool struct {
	// Pool has the buffers until Discard; nil: they are new.
	Pool Pool
	// Tail is what is in memory: it follows what is in the file.
	Tail []byte

	buf  *buffers
	file *File
	inf  int64 // bytes in file
}

// Fill reads body to its end. put appends to Tail what stands for the bytes
// that were read. A failing body's error is returned as it is; that of the
// file is a *deliver.Error.
func (s *Spool) Fill(ctx context.Context, body io.Reader, put func([]byte)) error {
	select {
	case s.buf = <-s.Pool:
	default:
		s.buf = &buffers{chunk: make([]byte, Chunk)}
	}
	s.Tail = s.buf.tail[:0]
	for chunk := s.buf.chunk; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := body.Read(chunk)
		put(chunk[:n])
		if len(s.Tail) >= Memory {
			if werr := s.flush(); werr != nil {
				return &deliver.Error{Class: deliver.IOError, Err: &deliver.TempError{Err: werr}}
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

// flush moves what is in memory to the file.
func (s *Spool) flush() error {
	if s.file == nil {
		f, err := Create("", "mailhaul-spool-*")
		if err != nil {
			return err
		}
		s.file = f
	}
	n, err := s.file.Write(s.Tail)
	s.inf += int64(n)
	s.Tail = s.Tail[:0]
	return err
}

// Front reads the part that is in the file; nil if all is in Tail.
func (s *Spool) Front() *io.SectionReader {
	if s.file == nil {
		return nil
	}
	return io.NewSectionReader(s.file, 0, s.inf)
}

// File puts all of the message into the file, at whose start the next read
// begins, and returns it with its size. It belongs to the Spool.
func (s *Spool) File() (f *os.File, size int64, err error) {
	if err := s.flush(); err != nil {
		return nil, 0, err
	}
	_, err = s.file.Seek(0, io.SeekStart)
	return s.file.File, s.inf, err
}

// Discard releases the file and the buffers. Idempotent.
func (s *Spool) Discard() error {
	if s.buf != nil {
		s.buf.tail = s.Tail
		select {
		case s.Pool <- s.buf:
		default:
		}
		s.buf = nil
	}
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// File is a temporary file. It has no name, where the system allows that: a killed
// process leaves nothing.
type File struct {
	*os.File
	named bool // Windows removes no open file
}

// Create makes one; the pattern is that of os.CreateTemp.
func Create(dir, pattern string) (*File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &File{f, os.Remove(f.Name()) != nil}, nil
}

// Close ends the file.
func (f *File) Close() error {
	err := f.File.Close()
	if f.named {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
