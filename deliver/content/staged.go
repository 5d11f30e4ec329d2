package content

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// bufferSize is how much of a message is held before it is written, and how much is
// read at a time.
const bufferSize = 64 << 10

// Staged is a file of messages with CRLF line ends, for a batch. It has no name where
// the system allows that: a killed process leaves nothing. Nothing of it is synced.
type Staged struct {
	// Dir is where the file is made; empty: os.TempDir.
	Dir string
	// Point names the fault point of writing.
	Point string

	file       *spool.File
	size       int64 // octets of complete messages
	off        int64 // where buf goes
	buf, chunk []byte
	sum        *Summer
}

// Part is where a message is in a Staged, and its content.
type Part struct {
	Off, Size int64
	Sums
}

// Add stages one message with LF line ends. check sees each chunk of it, and the size
// so far with CRLF; its error is returned as it is, and so is that of body. An error of
// the file is a *deliver.TempError. After an error nothing was added.
func (s *Staged) Add(ctx context.Context, body io.Reader, check func(chunk []byte, size int64) error) (Part, error) {
	if s.file == nil {
		var err error
		if s.file, err = spool.Create(s.Dir, "mailhaul-batch-*"); err != nil {
			return Part{}, &deliver.TempError{Err: err}
		}
		s.sum, s.chunk = New(), make([]byte, bufferSize)
	}
	s.off, s.buf = s.size, s.buf[:0]
	s.sum.Reset()
	if err := s.copy(ctx, body, check); err != nil {
		return Part{}, err
	}
	p := Part{s.size, s.off - s.size, s.sum.Sums()}
	s.size = s.off
	return p, nil
}

func (s *Staged) copy(ctx context.Context, body io.Reader, check func([]byte, int64) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := body.Read(s.chunk)
		s.add(s.chunk[:n])
		if cerr := check(s.chunk[:n], s.off+int64(len(s.buf))-s.size); cerr != nil {
			return cerr
		}
		if len(s.buf) >= bufferSize || errors.Is(err, io.EOF) {
			if werr := s.flush(); werr != nil {
				return &deliver.TempError{Err: werr}
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

// add appends p with CRLF line ends.
func (s *Staged) add(p []byte) {
	s.sum.Delivered(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.buf = append(s.buf, p...)
			return
		}
		s.buf = append(append(s.buf, p[:i]...), '\r', '\n')
		p = p[i+1:]
	}
}

func (s *Staged) flush() error {
	if err := fault.Error(s.Point); err != nil {
		return err
	}
	n, err := s.file.WriteAt(s.buf, s.off)
	s.off += int64(n)
	s.buf = s.buf[:0]
	return err
}

// Drop takes back the message that was added last, which starts at off.
func (s *Staged) Drop(off int64) { s.size = off }

// Open reads a message. It may be called from several goroutines.
func (s *Staged) Open(p Part) *io.SectionReader { return io.NewSectionReader(s.file, p.Off, p.Size) }

// Close drops all. Idempotent.
func (s *Staged) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
