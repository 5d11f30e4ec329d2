package mbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// spool holds the messages of a batch in the form that they will have in the
// file, one after the other. It has no name (where the system allows), so a
// killed process leaves nothing.
type spool struct {
	f    *os.File
	size int64 // of the complete messages
	sum  sumWriter
	w    *bufio.Writer
	r    *bufio.Reader
	enc  encoder
}

// sumWriter writes to the spool and keeps the CRC-32C of the message and that
// of the whole spool.
type sumWriter struct {
	f          *os.File
	crc, chain uint32
}

func (s *sumWriter) Write(p []byte) (int, error) {
	s.crc, s.chain = crc32.Update(s.crc, castagnoli(), p), crc32.Update(s.chain, castagnoli(), p)
	return s.f.Write(p)
}

// staged is one message in the spool.
type staged struct {
	length int64
	crc    uint32 // CRC-32C
	chain  uint32 // CRC-32C of the messages before it
	sep    string
	sum    [32]byte
	nth    int
	added  bool
}

func newSpool(dir string) (*spool, error) {
	f, err := openTemp(dir)
	if err != nil {
		return nil, err
	}
	s := &spool{f: f, sum: sumWriter{f: f}, r: bufio.NewReaderSize(nil, bufferSize)}
	s.w = bufio.NewWriterSize(&s.sum, bufferSize)
	s.enc = encoder{r: s.r, w: s.w, sum: newContentHash()}
	return s, nil
}

// lengthForm is the Content-Length line of MBOXCL2: of a fixed width, because
// it is written before the length is known.
const lengthForm = contentLength + " %15d\n"

// add appends one message. After an error the spool is as it was before; if
// that cannot be done, broken is set and the spool is of no use any more.
func (s *spool) add(ctx context.Context, f Format, e deliver.Envelope, body io.Reader) (m staged, broken, err error) {
	before := s.sum.chain
	s.sum.crc = 0
	s.w.Reset(&s.sum)
	m, err = s.write(ctx, f, e, body)
	m.crc, m.chain = s.sum.crc, before
	if err == nil {
		s.size += m.length
		return m, nil, nil
	}
	s.sum.chain = before
	broken = s.f.Truncate(s.size)
	if _, serr := s.f.Seek(s.size, io.SeekStart); serr != nil {
		broken = errors.Join(broken, serr)
	}
	return staged{}, broken, err
}

func (s *spool) write(ctx context.Context, f Format, e deliver.Envelope, body io.Reader) (staged, error) {
	src := &stickyReader{r: body}
	s.r.Reset(src)
	s.enc.format = f
	s.enc.sum.reset()
	m := staged{sep: separator(e)}
	chain := s.sum.chain
	head := m.sep
	if f == MBOXCL2 {
		length := fmt.Sprintf(lengthForm, 0)
		s.enc.sum.add([]byte(length), true) // a message may begin with a continuation line
		head += length
	}
	_, err := s.w.WriteString(head)
	if err == nil {
		err = s.enc.run(ctx)
	}
	if err == nil {
		_ = s.w.WriteByte('\n') // Flush repeats its error
		err = errors.Join(fault.Error("mbox.stage"), s.w.Flush())
	}
	if src.err != nil && src.err != io.EOF {
		return staged{}, src.err // the body's own error, unchanged
	}
	if err != nil {
		return staged{}, stageError(ctx, err)
	}
	end, err := s.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return staged{}, stageError(ctx, err)
	}
	m.length, m.sum, m.added = end-s.size, s.enc.sum.result(), s.enc.added
	if f == MBOXCL2 {
		err = s.fillLength(int64(len(m.sep)), m.length, chain)
	}
	return m, stageError(ctx, err)
}

// fillLength writes the Content-Length of the last message and computes the
// checksums anew; chain is the one before it.
func (s *spool) fillLength(at, length int64, chain uint32) error {
	n := s.enc.bodyLen
	if s.enc.inHeader { // no blank line: there is no body
		n = 0
	}
	if _, err := s.f.WriteAt(fmt.Appendf(nil, lengthForm, n), s.size+at); err != nil {
		return err
	}
	var err error
	s.sum.crc, s.sum.chain, err = s.checksums(s.size, length, chain)
	return err
}

// stageError classes a failure of the temporary file.
func stageError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &deliver.Error{Class: deliver.Later, Err: err}
	}
	return &deliver.Error{Class: deliver.IOError, Err: fmt.Errorf("temporary file: %w", err),
		Hint: "set TMPDIR to a directory with room for a batch"}
}

// tail returns the last octets of the last message.
func (s *spool) tail() ([]byte, error) {
	b := make([]byte, tokenSize)
	_, err := s.f.ReadAt(b, s.size-tokenSize)
	return b, err
}

func (s *spool) close() error {
	return errors.Join(s.f.Close(), removeTemp(s.f.Name()))
}

// checksums returns the CRC-32C of a message in the spool, and that of the
// spool up to its end, given the one up to its begin.
func (s *spool) checksums(at, length int64, chain uint32) (crc, next uint32, err error) {
	buf := s.w.AvailableBuffer() // idle by now
	buf = buf[:cap(buf)]
	for left := length; left > 0; {
		p := buf[:min(left, int64(len(buf)))]
		if _, err := s.f.ReadAt(p, at+length-left); err != nil {
			return 0, 0, err
		}
		crc, chain = crc32.Update(crc, castagnoli(), p), crc32.Update(chain, castagnoli(), p)
		left -= int64(len(p))
	}
	return crc, chain, nil
}

// checksum returns the CRC-32C of a span of a file. A file that ends within it
// gives io.ErrUnexpectedEOF.
func checksum(f io.ReaderAt, offset, length int64) (uint32, error) {
	h := crc32.New(castagnoli())
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.NewSectionReader(f, offset, length)}, make([]byte, bufferSize))
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	return h.Sum32(), err
}
