package mbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"hash"
	"slices"
	"strings"
)

// contentHash is the SHA-256 of a message as written in the file, without the
// header fields that readers keep there: it finds a message again after a
// reader has rewritten the file.
type contentHash struct {
	sum    hash.Hash
	w      *bufio.Writer // lines are short, and SHA-256 likes blocks
	filter fieldFilter
}

func newContentHash() *contentHash {
	h := &contentHash{sum: sha256.New()}
	h.w = bufio.NewWriterSize(h.sum, 8<<10)
	h.reset()
	return h
}

func (h *contentHash) reset() {
	h.sum.Reset()
	h.w.Reset(h.sum)
	h.filter = fieldFilter{}
}

// add takes a piece of a line; atStart tells that it is its first.
func (h *contentHash) add(p []byte, atStart bool) {
	if h.filter.keep(p, atStart) {
		_, _ = h.w.Write(p) // a hash takes everything
	}
}

func (h *contentHash) result() (sum [sha256.Size]byte) {
	_ = h.w.Flush()
	h.sum.Sum(sum[:0])
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
