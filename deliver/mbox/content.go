package mbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"slices"
	"strings"
)

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
