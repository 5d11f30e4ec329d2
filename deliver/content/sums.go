// Package content recognises messages that a server keeps by what is in them,
// also when the server has changed what servers are known to change.
package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// Sums identify the content of a message.
type Sums struct {
	// Exact is the SHA-256 of all bytes with LF line ends: what was delivered.
	Exact [sha256.Size]byte
	// Loose leaves out what servers are known to change: CR, line ends at the
	// end, and 8-bit bytes in header fields, which Cyrus turns into X.
	Loose [sha256.Size]byte
}

// LooseText is the start of the loose sum, for a receipt.
func (s Sums) LooseText() string { return hex.EncodeToString(s.Loose[:8]) }

// Summer computes the sums of what is written to it, with LF or CRLF line ends.
type Summer struct {
	exact, loose hash.Hash
	cr           bool // held back: it may belong to a line end
	body         bool // the header is over
	blank        bool // in the header: at the start of a line
	ends         int  // LF held back from loose
	buf          []byte
}

// New returns a Summer.
func New() *Summer { return &Summer{exact: sha256.New(), loose: sha256.New(), blank: true} }

// Sums are those of what was written. Nothing may be written after it but Reset.
func (s *Summer) Sums() Sums {
	if s.cr {
		s.exact.Write([]byte{'\r'})
		s.cr = false
	}
	var out Sums
	s.exact.Sum(out.Exact[:0])
	s.loose.Sum(out.Loose[:0])
	return out
}

// Reset makes it ready for the next message.
func (s *Summer) Reset() {
	s.exact.Reset()
	s.loose.Reset()
	s.cr, s.body, s.blank, s.ends = false, false, true, 0
}

// Write implements io.Writer for what comes from a server: CRLF is a line end.
func (s *Summer) Write(p []byte) (int, error) {
	n := len(p)
	if s.cr && n > 0 {
		s.cr = false
		if p[0] != '\n' {
			s.exact.Write([]byte{'\r'})
		}
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			s.lines(p)
			break
		}
		s.lines(p[:i])
		if i+1 == len(p) {
			s.cr = true
		} else if p[i+1] != '\n' {
			s.exact.Write([]byte{'\r'})
		}
		p = p[i+1:]
	}
	return n, nil
}

// Delivered adds bytes of a message that we deliver: LF is a line end, CR a byte.
func (s *Summer) Delivered(p []byte) {
	s.exact.Write(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			s.addLoose(p)
			return
		}
		s.addLoose(p[:i])
		p = p[i+1:]
	}
}

// lines adds bytes without CR to both.
func (s *Summer) lines(p []byte) {
	s.exact.Write(p)
	s.addLoose(p)
}

// addLoose adds bytes without CR.
func (s *Summer) addLoose(p []byte) {
	if !s.body {
		n := s.headerEnd(p)
		s.buf = append(s.buf[:0], p[:n]...)
		for i, c := range s.buf {
			if c >= 0x80 {
				s.buf[i] = 'X'
			}
		}
		s.write(s.buf)
		p = p[n:]
	}
	s.write(p)
}

// headerEnd is how much of p belongs to the header.
func (s *Summer) headerEnd(p []byte) int {
	for i, c := range p {
		if c == '\n' && s.blank {
			s.body = true
			return i
		}
		s.blank = c == '\n'
	}
	return len(p)
}

// write adds to loose, but holds line ends back.
func (s *Summer) write(p []byte) {
	text := bytes.TrimRight(p, "\n")
	if len(text) > 0 {
		for ; s.ends > 0; s.ends-- {
			s.loose.Write([]byte{'\n'})
		}
		s.loose.Write(text)
	}
	s.ends += len(p) - len(text)
}
