package mbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// ErrChanged means that a message was not found in an mbox that was changed
// while it was being read: it may be there anyway.
var ErrChanged = errors.New("mbox changed while it was read")

// Mailbox reads delivered messages back, for verification. It is not for use
// from several goroutines.
type Mailbox struct {
	f      *os.File
	info   os.FileInfo
	format Format
	index  map[[sha256.Size]byte]Place // built when first needed
}

// Place is where a message is in a Mailbox.
type Place struct {
	// Offset and Length span the message in octets, from its separator line
	// to the end of its content, in the form that it has in the file.
	Offset, Length int64

	body int64
}

// Open opens an mbox for reading. It takes no lock: a verification may take
// minutes, and deliveries only append. format is what the messages were
// delivered with.
func Open(path string, format Format) (*Mailbox, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Mailbox{f: f, info: info, format: format}, nil
}

// Close closes the file.
func (m *Mailbox) Close() error { return m.f.Close() }

// Find looks for the message whose bytes, with LF line ends and as they were
// before quoting, have this SHA-256: first where the receipt says (which may be
// empty), then anywhere. A final newline that delivery added, and the header
// fields that readers add, do not matter, unless the message had such a field
// itself and a reader has changed it. False with a nil error means that it is
// not there. An MBOXO message that had both "From " and ">From " lines is found
// at its receipt's place only, by the receipt's checksum.
//
// The first call that has to search elsewhere reads the whole file, and keeps about
// 100 octets a message.
func (m *Mailbox) Find(ctx context.Context, receipt string, sum [sha256.Size]byte) (Place, bool, error) {
	if r, err := ParseReceipt(receipt); err == nil {
		place, found, err := m.findAt(ctx, r, sum)
		if found || err != nil {
			return place, found, err
		}
	}
	if m.index == nil {
		if err := m.buildIndex(ctx); err != nil {
			return Place{}, false, err
		}
	}
	if place, found := m.index[sum]; found {
		return place, true, nil
	}
	if now, err := os.Stat(m.f.Name()); err != nil || !os.SameFile(now, m.info) ||
		!now.ModTime().Equal(m.info.ModTime()) || now.Size() != m.info.Size() {
		return Place{}, false, ErrChanged
	}
	return Place{}, false, nil
}

// Each calls fn with each message, in the order of the file.
func (m *Mailbox) Each(ctx context.Context, fn func(Place) error) error {
	return scan(ctx, m.f, 0, m.info.Size(), m.format, func(e entry) error { return fn(e.place()) })
}

// findAt looks at the receipt's place only.
func (m *Mailbox) findAt(ctx context.Context, r Receipt, sum [sha256.Size]byte) (place Place, isHere bool, err error) {
	size := min(m.info.Size(), r.Offset+r.Length)
	if r.Offset >= size {
		return Place{}, false, nil
	}
	err = scan(ctx, m.f, r.Offset, size, m.format, func(e entry) error {
		if e.start != r.Offset {
			return errStop
		}
		place = e.place()
		found, err := m.has(e, sum)
		if m.format == MBOXO && !found && err == nil {
			found, err = hasSum(m.f, r.Offset, r.Length, r.CRC) // what delivery wrote
		}
		isHere = found
		if err == nil {
			err = errStop
		}
		return err
	})
	return place, isHere, err
}

func (e entry) place() Place { return Place{Offset: e.start, Length: e.end - e.start, body: e.body} }

func (m *Mailbox) has(e entry, want [sha256.Size]byte) (found bool, err error) {
	err = m.sums(e, func(sum [sha256.Size]byte) { found = found || sum == want })
	return found, err
}

func (m *Mailbox) buildIndex(ctx context.Context) error {
	index := make(map[[sha256.Size]byte]Place)
	err := scan(ctx, m.f, 0, m.info.Size(), m.format, func(e entry) error {
		return m.sums(e, func(sum [sha256.Size]byte) {
			if _, twin := index[sum]; !twin {
				index[sum] = e.place()
			}
		})
	})
	if err == nil {
		m.index = index
	}
	return err
}

// sums calls fn with each hash that the message may have had when it was
// delivered.
func (m *Mailbox) sums(e entry, fn func([sha256.Size]byte)) error {
	var filter fieldFilter
	exact, kept := newEndHash(), newEndHash()
	dropped := false
	err := m.decode(e.place(), false, func(p []byte, atStart bool) error {
		exact.add(p)
		if filter.keep(p, atStart) {
			kept.add(p)
		} else {
			dropped = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	exact.results(fn)
	if dropped {
		kept.results(fn)
	}
	if m.format != MBOXO {
		return nil
	}
	raw := newEndHash() // a ">From " may have been the message's own
	err = m.decode(e.place(), true, func(p []byte, _ bool) error { raw.add(p); return nil })
	if err == nil {
		raw.results(fn)
	}
	return err
}

// Copy writes a message as it was delivered, except for what a reader has changed
// and a final newline that was added. Of MBOXO, each ">From " is unquoted.
func (m *Mailbox) Copy(w io.Writer, p Place) error {
	return m.decode(p, false, func(b []byte, _ bool) error {
		_, err := w.Write(b)
		return err
	})
}

func (m *Mailbox) decode(p Place, raw bool, put func([]byte, bool) error) error {
	r := io.NewSectionReader(m.f, p.body, p.Offset+p.Length-p.body)
	d := decoder{format: m.format, raw: raw, r: bufio.NewReaderSize(r, bufferSize), put: put}
	return d.run()
}

// endHash computes the SHA-256 of a text with and without its final newline.
type endHash struct {
	sum  hash.Hash
	w    *bufio.Writer
	held bool // the last octet was a newline, not yet hashed
}

func newEndHash() *endHash {
	h := sha256.New()
	return &endHash{sum: h, w: bufio.NewWriterSize(h, 8<<10)}
}

// add takes a piece that is not empty. Writes to a hash never fail.
func (h *endHash) add(p []byte) {
	if h.held {
		_ = h.w.WriteByte('\n')
	}
	rest, held := bytes.CutSuffix(p, []byte("\n"))
	h.held = held
	_, _ = h.w.Write(rest)
}

func (h *endHash) results(fn func([sha256.Size]byte)) {
	_ = h.w.Flush()
	fn([sha256.Size]byte(h.sum.Sum(nil)))
	if h.held {
		h.sum.Write([]byte("\n"))
		fn([sha256.Size]byte(h.sum.Sum(nil)))
	}
}
