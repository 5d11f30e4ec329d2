package smtp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mailhaul/mailhaul/deliver/spool"
)

// pieces reads at most n octets at a time.
type pieces struct {
	io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.n)]) }

func encoded(t testing.TB, r io.Reader, chunk int) (octets []byte, s *wire) {
	t.Helper()
	s = &wire{}
	if err := s.fill(context.Background(), pieces{r, chunk}); err != nil {
		t.Fatal(err)
	}
	if front := s.Front(); front != nil {
		var err error
		if octets, err = io.ReadAll(front); err != nil {
			t.Fatal(err)
		}
	}
	octets = append(octets, s.Tail...)
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
	return octets, s
}

func TestEncode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		size     int64
	}{
		{"", ".\r\n", 0},
		{"\n", "\r\n.\r\n", 2},
		{"a", "a\r\n.\r\n", 3},
		{"a\nb\n", "a\r\nb\r\n.\r\n", 6},
		{".\n", "..\r\n.\r\n", 3},
		{"a.\n.b", "a.\r\n..b\r\n.\r\n", 8},
		{"a\rb\n", "a\r\nb\r\n.\r\n", 6},
		{"a\r\nb\n", "a\r\nb\r\n.\r\n", 6},
		{"a\r.\r\r\n", "a\r\n..\r\n\r\n.\r\n", 8},
		{"a\n.\nMAIL FROM:<x>\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n", 21},
		{"a\r.\rMAIL", "a\r\n..\r\nMAIL\r\n.\r\n", 12},
	}
	for _, tc := range tests {
		for _, chunk := range []int{1, 2, 3, 4096} {
			wire, s := encoded(t, strings.NewReader(tc.in), chunk)
			if string(wire) != tc.want || s.size != tc.size {
				t.Errorf("%q by %d: got %q of %d, want %q of %d", tc.in, chunk, wire, s.size, tc.want, tc.size)
			}
		}
	}
}

// TestLargeSpool: what goes to the file and what stays are one message.
func TestLargeSpool(t *testing.T) {
	t.Parallel()
	in := strings.Repeat(".dots\rand\n\n8-bit \xff\n", 100_000)
	small, _ := encoded(t, iotest.HalfReader(strings.NewReader(in)), 1000)
	large, s := encoded(t, strings.NewReader(in), spool.Chunk)
	if !bytes.Equal(small, large) || s.bits < 0x80 {
		t.Errorf("%d and %d octets, bits %x", len(small), len(large), s.bits)
	}
	if cap(s.Tail) > 2*(spool.Memory+2*spool.Chunk) {
		t.Errorf("%d bytes of memory", cap(s.Tail))
	}
}

// FuzzEncode: another implementation reads back the message with its line
// ends normalised, whatever the chunks, and sees one end only.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nb"), 3)
	f.Add([]byte(".\r.\n..\r\r\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		wire, s := encoded(t, bytes.NewReader(in), 1+chunk&0xff)
		want := strings.ReplaceAll(strings.ReplaceAll(string(in), "\r\n", "\n"), "\r", "\n")
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		r := bufio.NewReader(bytes.NewReader(wire))
		got, err := io.ReadAll(textproto.NewReader(r).DotReader())
		if err != nil || string(got) != want || r.Buffered() != 0 {
			t.Errorf("got %q, %v, %d left; want %q", got, err, r.Buffered(), want)
		}
		if size := int64(len(want) + strings.Count(want, "\n")); s.size != size {
			t.Errorf("size %d, want %d", s.size, size)
		}
	})
}

// FuzzReply: whatever a relay sends is read within bounds and shown escaped.
func FuzzReply(f *testing.F) {
	f.Add([]byte("250-a\r\n250 b\r\n"))
	f.Add([]byte("354\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := readReply(bufio.NewReaderSize(bytes.NewReader(in), maxLine))
		if err != nil {
			return
		}
		if r.code < 200 || r.code > 599 || len(r.lines) == 0 || len(r.lines) > maxLines {
			t.Errorf("%+v", r)
		}
		if s := r.String(); strings.ContainsAny(s, "\r\n\x00\x1b") || len(s) > maxText+3 {
			t.Errorf("shown as %q", s)
		}
	})
}
