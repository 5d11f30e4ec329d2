package delivertest

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// traps are messages that some program somewhere gets wrong.
func traps() []struct{ name, body string } {
	return []struct{ name, body string }{
		{"dots", "Subject: dots\n\n.\n..\n...\n.a\na.\n.\n"},
		{"from", "From nobody Thu Jan  1 00:00:00 1970\nSubject: f\n\nFrom here\n>From there\n>>From\n\nFrom nobody Thu Jan  1 00:00:00 1970\n\nx\n"},
		{"8bit", "Subject: \xe9t\xe9\n\n\xff\xfe\x80 \xc3\xa9\n"},
		{"nul", "Subject: nul\n\na\x00b\n\x00\n"},
		{"no final newline", "Subject: cut\n\nlast line"},
		{"final dot", "Subject: dot\n\n."},
		{"bare cr", "Subject: cr\n\na\rb\r\rc\n"},
		{"empty", ""},
		{"newline", "\n"},
		{"headers only", "Subject: none\nX: y\n"},
		{"blank end", "Subject: blank\n\nx\n\n\n\n"},
		{"long line", "Subject: long\n\n" + strings.Repeat("0123456789abcdef", 1<<16) + "\n"},
		{"content length", "Content-Length: 5\nStatus: RO\n\nlonger than five\n"},
	}
}

func testBodies(t *testing.T, h Harness) {
	var all [][]byte
	for _, trap := range traps() {
		h.sub(t, trap.name, "bodies/"+trap.name, func(t *testing.T) {
			target := h.open(t)
			send(t, target, []byte(trap.body))
			h.checkVisible(t, target, []byte(trap.body))
			checkStaged(t, target)
		})
		if _, skip := h.Skip["bodies/"+trap.name]; !skip {
			all = append(all, []byte(trap.body))
		}
	}
	// Side by side they must not run into one another.
	h.sub(t, "together", "bodies/together", func(t *testing.T) {
		target := h.open(t)
		send(t, target, all...)
		h.checkVisible(t, target, all...)
	})
}

// testReaders feeds one message through readers that return little at a time,
// and their last bytes with or without io.EOF.
func testReaders(t *testing.T, h Harness) {
	body := []byte(strings.Repeat("From .\n.\n", 1000))
	for _, wrap := range []func(io.Reader) io.Reader{
		iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
	} {
		target := h.open(t)
		b := begin(t, target)
		if err := b.Add(context.Background(), envelope(0), wrap(bytes.NewReader(body))); err != nil {
			t.Fatal(err)
		}
		publish(t, b, prepare(t, b, 1))
		h.checkVisible(t, target, body)
	}
}

// testBig checks that memory does not grow with the message.
func testBig(t *testing.T, h Harness) {
	line := strings.Repeat("x", 71) + "\n"
	const lines = 20 << 20 / 72
	target := h.open(t)
	b := begin(t, target)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := b.Add(context.Background(), envelope(0), &repeated{line: line, left: lines}); err != nil {
		t.Fatal(err)
	}
	intents := prepare(t, b, 1)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > h.StagingMemory {
		t.Errorf("staging allocated %d bytes, want at most %d", n, h.StagingMemory)
	}
	publish(t, b, intents)
	h.checkVisible(t, target, []byte(strings.Repeat(line, lines)))
	checkStaged(t, target)
}

// repeated reads as a line, many times over.
type repeated struct {
	line string
	left int
	rest string
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.rest == "" {
			if r.left == 0 {
				return n, io.EOF
			}
			r.left--
			r.rest = r.line
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	return n, nil
}
