package mbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// A hole is a span of the file that holds no mail and must be removed, although
// other mail follows it. That mail, the tail, is moved to the left step by
// step, which moves the hole to the right until the end of the file, where it
// is truncated. At each step a marker inside the hole says where the hole is
// and which octets are being moved, and these are not overwritten before their
// copy is durable; so a crash may end the work anywhere and a later run
// continues it, even if more mail was appended in between.
//
//	hole at h, length d; the step moves n octets:
//
//	1. marker {d, n, checksum of [h+d, h+d+n)} at h+n or after it, sync
//	2. copy [h+d, h+d+n) to [h, h+n), sync; now the hole is at h+n
//
// step leaves so much room that the marker of a step overwrites neither what
// the step before it copied from, nor, in the first step, the token by which
// the hole is found; nor the marker of the step before it, unless the hole is
// shorter than some 100 octets: then a marker of which a power loss leaves a
// part (it would have to cross the border of two sectors) is all that there is.
type hole struct{ at, length int64 }

// marker is what is written into a hole: a half of the intent's token, inverted,
// then d, n, the checksum of the n octets, and one of the marker itself.
type marker struct {
	length int64
	moved  uint32
	crc    uint32
}

const (
	magicSize  = tokenSize / 2
	markerSize = magicSize + 8 + 4 + 4 + 4
	// maxStep bounds the memory that a step takes.
	maxStep = 1 << 20
	// maxBlank is how many newlines of another program may go with the hole:
	// they follow the token.
	maxBlank = 2
)

// step returns how many octets can be moved at a time; zero if the hole has no
// room for that.
func (h hole) step() int64 {
	return max(0, min((h.length-markerSize-tokenSize-maxBlank)/2, maxStep))
}

// markerAt returns where the marker of a step of n octets is.
func (h hole) markerAt(n int64) int64 { return h.at + max(n, min(markerSize, h.step())) }

func markerMagic(token []byte) []byte {
	magic := make([]byte, magicSize)
	for i := range magic {
		magic[i] = ^token[i]
	}
	return magic
}

func (m marker) encode(token []byte) []byte {
	b := markerMagic(token)
	b = binary.BigEndian.AppendUint64(b, uint64(m.length))
	b = binary.BigEndian.AppendUint32(b, m.moved)
	b = binary.BigEndian.AppendUint32(b, m.crc)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

// decodeMarker returns false for what was written in part only.
func decodeMarker(b, token []byte) (marker, bool) {
	if len(b) < markerSize {
		return marker{}, false
	}
	m := marker{
		length: int64(binary.BigEndian.Uint64(b[magicSize:])),
		moved:  binary.BigEndian.Uint32(b[magicSize+8:]),
		crc:    binary.BigEndian.Uint32(b[magicSize+12:]),
	}
	return m, bytes.Equal(b[:markerSize], m.encode(token)) && m.moved <= maxStep
}

// removeRegion removes what begins at the intent's message and ends where its
// batch does, in a file whose content since then was moved by shift. With the
// first message it removes the newlines before it, except those that separate what
// follows the region.
func removeRegion(ctx context.Context, f *os.File, in *intent, shift int64) error {
	at, end := in.Offset+shift, in.End+shift
	info, err := f.Stat()
	if err != nil || info.Size() < end {
		return err
	}
	need := 0
	if in.Offset == in.Start+int64(in.Prefix) {
		have, err := emptyBefore(f, at, in.Prefix)
		if err != nil {
			return err
		}
		at -= int64(have)
		if need, err = missingNewlines(f, at); err != nil {
			return err
		}
		need = min(need, have)
	}
	if info.Size() == end {
		if shift != 0 { // what is before it may not be what it was
			at += int64(need)
		}
		return truncate(f, at)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\n", need)), at); err != nil {
		return err
	}
	at += int64(need)
	extra, err := blankLines(f, end)
	if err != nil {
		return err
	}
	h := hole{at: at, length: end - at}
	if h.step() == 0 { // cannot be marked: a few blank lines stay
		return blank(f, h)
	}
	h.length += extra
	return closeHole(ctx, f, in.Token, h)
}

// emptyBefore returns how many of the octets before an offset, at most n, are
// newlines that we wrote or wanted to write.
func emptyBefore(f io.ReaderAt, at int64, n int) (int, error) {
	b := make([]byte, min(int64(n), at))
	if _, err := f.ReadAt(b, at-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return len(b) - len(bytes.TrimRight(b, "\n\x00")), nil
}

// blankLines returns how many newlines another program has put before its
// separator line, because what preceded it did not look like a blank line.
func blankLines(f io.ReaderAt, at int64) (int64, error) {
	b := make([]byte, maxBlank+len(from))
	n, err := f.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	rest := bytes.TrimLeft(b[:n], "\n")
	if !bytes.HasPrefix(rest, []byte(from)) {
		return 0, nil
	}
	return int64(n - len(rest)), nil
}

func blank(f *os.File, h hole) error {
	fault.Point("mbox.blank")
	if _, err := f.WriteAt(bytes.Repeat([]byte("\n"), int(h.length)), h.at); err != nil {
		return err
	}
	return durable.Sync(f)
}

// closeHole moves the tail over the hole. A done ctx ends it between two
// steps; a later call of resume goes on.
func closeHole(ctx context.Context, f *os.File, token []byte, h hole) error {
	buf := make([]byte, h.step())
	for {
		n, err := f.ReadAt(buf, h.at+h.length)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return truncate(f, h.at)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		m := marker{length: h.length, moved: uint32(n), crc: crc32.Checksum(buf[:n], castagnoli())}
		if err := writeSync(f, "mbox.mark", m.encode(token), h.markerAt(int64(n))); err != nil {
			return err
		}
		if err := writeSync(f, "mbox.move", buf[:n], h.at); err != nil {
			return err
		}
		h.at += int64(n)
	}
}

func writeSync(f *os.File, point string, p []byte, at int64) error {
	if err := fault.Error(point); err != nil {
		return err
	}
	if _, err := f.WriteAt(p, at); err != nil {
		return err
	}
	return durable.Sync(f)
}

// resume continues to close a hole after a crash. It reports whether there was
// one.
func resume(ctx context.Context, f *os.File, token []byte, from int64) (bool, error) {
	at, m, err := lastMarker(f, token, from)
	if err != nil || at < 0 {
		return false, err
	}
	n := int64(m.moved)
	h := hole{length: m.length}
	h.at = at - h.markerAt(n) // before the step
	if h.at < 0 || n > h.step() {
		return false, nil
	}
	done, err := checksum(f, h.at, n)
	if err != nil {
		return false, err
	}
	if done != m.crc {
		buf := make([]byte, n)
		if _, err := f.ReadAt(buf, h.at+h.length); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if crc32.Checksum(buf, castagnoli()) != m.crc {
			return false, nil // rewritten by a reader: not ours any more
		}
		if err := writeSync(f, "mbox.move", buf, h.at); err != nil {
			return false, err
		}
	}
	h.at += n
	return true, closeHole(ctx, f, token, h)
}

// lastMarker returns the last whole marker at or after from, or -1.
func lastMarker(f *os.File, token []byte, from int64) (at int64, m marker, err error) {
	at = -1
	err = find(f, markerMagic(token), from, func(pos int64) error {
		b := make([]byte, markerSize)
		if _, err := f.ReadAt(b, pos); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if got, ok := decodeMarker(b, token); ok {
			at, m = pos, got
		}
		return nil
	})
	return at, m, err
}

// find calls fn with each place of a pattern at or after from.
func find(f io.ReaderAt, pattern []byte, from int64, fn func(at int64) error) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := f.ReadAt(buf, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], pattern)
			if i < 0 {
				break
			}
			at += i
			if err := fn(from + int64(at)); err != nil {
				return err
			}
		}
		if n < len(buf) {
			return nil
		}
		from += int64(n - len(pattern) + 1)
	}
}

func truncate(f *os.File, size int64) error {
	fault.Point("mbox.truncate")
	return durable.Truncate(f, size)
}
