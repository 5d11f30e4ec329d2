// Package content recognises messages that a server keeps by what is in them,
// also when the server has changed what servers are known to change.
package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
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
	apart        bool // else the bytes of both are the same up to now, and exact serves both
	cr           bool // held back: it may belong to a line end
	body         bool // the header is over
	blank        bool // in the header: at the start of a line
	ends         int  // LF held back from loose, and from what serves both
	buf          []byte
}

// New returns a Summer.
func New() *Summer { return &Summer{exact: sha256.New(), blank: true} }

// Sums are those of what was written. Nothing may be written after it but Reset.
func (s *Summer) Sums() (out Sums) {
	if s.cr {
		s.bareCR()
	}
	if s.apart {
		s.loose.Sum(out.Loose[:0])
	} else {
		s.exact.Sum(out.Loose[:0])
		writeEnds(s.exact, s.ends)
	}
	s.exact.Sum(out.Exact[:0])
	return out
}

// Reset makes it ready for the next message.
func (s *Summer) Reset() {
	s.exact.Reset()
	s.apart, s.cr, s.body, s.blank, s.ends = false, false, false, true, 0
}

// Write implements io.Writer for what comes from a server: CRLF is a line end.
func (s *Summer) Write(p []byte) (int, error) {
	n := len(p)
	if s.cr && n > 0 {
		s.cr = false
		if p[0] != '\n' {
			s.bareCR()
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
			s.bareCR()
		}
		p = p[i+1:]
	}
	return n, nil
}

// Delivered adds bytes of a message that we deliver: LF is a line end, CR a byte.
func (s *Summer) Delivered(p []byte) {
	for {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			s.lines(p)
			return
		}
		s.lines(p[:i])
		s.bareCR()
		p = p[i+1:]
	}
}

// bareCR adds a CR, which is left out of loose.
func (s *Summer) bareCR() {
	s.part()
	s.exact.Write([]byte{'\r'})
}

// part gives loose a hash of its own: few messages need one before their end.
func (s *Summer) part() {
	if s.apart {
		return
	}
	s.apart = true
	s.loose, _ = s.exact.(hash.Cloner).Clone() // SHA-256 can always be cloned
	writeEnds(s.exact, s.ends)
}

// lines adds bytes without CR to both.
func (s *Summer) lines(p []byte) {
	if !s.body {
		n := s.headerEnd(p)
		s.header(p[:n])
		p = p[n:]
	}
	s.add(p, p)
}

// header adds a part of the header.
func (s *Summer) header(p []byte) {
	loose := p
	if slices.ContainsFunc(p, func(c byte) bool { return c >= 0x80 }) {
		s.part()
		s.buf = append(s.buf[:0], p...)
		for i, c := range s.buf {
			if c >= 0x80 {
				s.buf[i] = 'X'
			}
		}
		loose = s.buf
	}
	s.add(p, loose)
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

// add adds p to exact, and what stands for it to loose, which holds line ends back.
func (s *Summer) add(p, loose []byte) {
	h := s.exact
	if s.apart {
		s.exact.Write(p)
		h = s.loose
	}
	text := bytes.TrimRight(loose, "\n")
	if len(text) > 0 {
		writeEnds(h, s.ends)
		h.Write(text)
		s.ends = 0
	}
	s.ends += len(loose) - len(text)
}

func writeEnds(h hash.Hash, n int) {
	for range n {
		h.Write([]byte{'\n'})
	}
}
