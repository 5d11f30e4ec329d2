package mbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	tempfile "github.com/mailhaul/mailhaul/deliver/spool"
)

// spoolMemory is how much of a spool is not written to its file.
const spoolMemory = 256 << 10

// spool holds the messages of a batch in the form that they will have in the
// mbox, one after the other. What does not fit into memory is in a file, which
// has no name (where the system allows), so a killed process leaves nothing.
type spool struct {
	f      *tempfile.File
	inFile int64  // octets in f
	buf    []byte // what follows them
	summed int    // octets of buf that crc and chain cover
	crc    uint32 // CRC-32C of the current message
	chain  uint32 // CRC-32C of all
	size   int64  // of the complete messages
	err    error  // of a write since; sticky until it is rolled back
	enc    encoder
	*workspace
}

// workspace is memory that one spool after the other uses.
type workspace struct {
	mem [spoolMemory]byte
	r   *bufio.Reader
	sum *contentHash
}

var workspaces = sync.Pool{New: func() any {
	return &workspace{r: bufio.NewReaderSize(nil, bufferSize), sum: newContentHash()}
}}

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
	f, err := tempfile.Create(dir, "mailhaul-*")
	if err != nil {
		return nil, err
	}
	w := workspaces.Get().(*workspace)
	s := &spool{f: f, buf: w.mem[:0], workspace: w}
	s.enc = encoder{r: w.r, w: s, sum: w.sum}
	return s, nil
}

// Write implements io.Writer. After an error the spool must be rolled back.
func (s *spool) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n := len(p)
	for len(p) > spoolMemory-len(s.buf) {
		k := spoolMemory - len(s.buf)
		s.buf, p = append(s.buf, p[:k]...), p[k:]
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	s.buf = append(s.buf, p...)
	return n, nil
}

// spill writes what is in memory to the file. If it fails, memory and the
// counted part of the file stay as they were, and Write does not try again: the
// caller may have more to write.
func (s *spool) spill() error {
	s.checksum()
	if s.err = fault.Error("mbox.spill"); s.err == nil {
		_, s.err = s.f.WriteAt(s.buf, s.inFile)
	}
	if s.err != nil {
		return s.err
	}
	s.inFile += int64(len(s.buf))
	s.buf, s.summed = s.buf[:0], 0
	return nil
}

// checksum brings the checksums up to date.
func (s *spool) checksum() {
	p := s.buf[s.summed:]
	s.crc, s.chain = crc32.Update(s.crc, castagnoli(), p), crc32.Update(s.chain, castagnoli(), p)
	s.summed = len(s.buf)
}

// rollback drops what follows the complete messages.
func (s *spool) rollback() error {
	s.buf = s.buf[:max(s.size-s.inFile, 0)]
	s.summed = len(s.buf)
	s.inFile, s.err = min(s.inFile, s.size), nil
	return s.f.Truncate(s.inFile)
}

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, at int64) (n int, err error) {
	if at < s.inFile {
		n = int(min(int64(len(p)), s.inFile-at))
		if n, err = s.f.ReadAt(p[:n], at); err != nil {
			return n, err
		}
	}
	k := copy(p[n:], s.buf[max(at-s.inFile, 0):])
	if n += k; n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// lengthForm is the Content-Length line of MBOXCL2: of a fixed width, because
// it is written before the length is known.
const lengthForm = contentLength + " %15d\n"

// add appends one message. After an error the spool is as it was before; if
// that cannot be done, broken is set and the spool cannot be used any more.
func (s *spool) add(ctx context.Context, f Format, e deliver.Envelope, body io.Reader) (m staged, broken, err error) {
	before := s.chain
	s.crc = 0
	m, err = s.write(ctx, f, e, body)
	m.crc, m.chain = s.crc, before
	if err == nil {
		s.size += m.length
		return m, nil, nil
	}
	s.chain = before
	return staged{}, s.rollback(), err
}

func (s *spool) write(ctx context.Context, f Format, e deliver.Envelope, body io.Reader) (staged, error) {
	src := &stickyReader{r: body}
	s.r.Reset(src)
	s.enc.format = f
	s.sum.reset()
	m := staged{sep: separator(e)}
	chain := s.chain
	head := m.sep
	if f == MBOXCL2 {
		length := fmt.Sprintf(lengthForm, 0)
		s.sum.add([]byte(length), true) // a message may begin with a continuation line
		head += length
	}
	_, err := io.WriteString(s, head)
	if err == nil {
		err = s.enc.run(ctx)
	}
	if err == nil {
		_, err = s.Write([]byte("\n"))
	}
	if src.err != nil && src.err != io.EOF {
		return staged{}, src.err // the body's own error, unchanged
	}
	if err = errors.Join(err, fault.Error("mbox.stage")); err != nil {
		return staged{}, stageError(ctx, err)
	}
	s.checksum()
	m.length, m.sum, m.added = s.inFile+int64(len(s.buf))-s.size, s.sum.result(), s.enc.added
	if f == MBOXCL2 {
		err = s.fillLength(int64(len(m.sep)), m.length, chain)
	}
	return m, stageError(ctx, err)
}

// fillLength writes the Content-Length of the last message and computes the
// checksums again; chain is the one before it.
func (s *spool) fillLength(at, length int64, chain uint32) error {
	n := s.enc.bodyLen
	if s.enc.inHeader { // no blank line: there is no body
		n = 0
	}
	if err := s.spill(); err != nil {
		return err
	}
	if _, err := s.f.WriteAt(fmt.Appendf(nil, lengthForm, n), s.size+at); err != nil {
		return err
	}
	var err error
	s.crc, s.chain, err = s.checksums(s.size, length, chain)
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
	return &deliver.Error{Class: deliver.IOError, Err: &deliver.TempError{Err: err}}
}

// tail returns the last octets of the last message.
func (s *spool) tail() ([]byte, error) {
	b := make([]byte, tokenSize)
	_, err := s.ReadAt(b, s.size-tokenSize)
	return b, err
}

func (s *spool) close() error {
	s.r.Reset(nil) // holds the last message's reader
	workspaces.Put(s.workspace)
	s.buf, s.workspace = nil, nil
	return s.f.Close()
}

// checksums returns the CRC-32C of a message in the spool, and that of the
// spool up to its end, given the one up to its beginning.
func (s *spool) checksums(at, length int64, chain uint32) (crc, next uint32, err error) {
	buf := s.mem[:] // spilled
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

// hasSum reports whether a span of a file has this CRC-32C. A file that ends
// within it has not.
func hasSum(f io.ReaderAt, offset, length int64, want uint32) (bool, error) {
	crc, err := checksum(f, offset, length)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return err == nil && crc == want, err
}
