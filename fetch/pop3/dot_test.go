package pop3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readConn is a connection that can only be read.
type readConn struct {
	net.Conn
	r io.Reader
}

func (c readConn) Read(p []byte) (int, error)     { return c.r.Read(p) }
func (readConn) Write(p []byte) (int, error)      { return len(p), nil }
func (readConn) Close() error                     { return nil }
func (readConn) SetReadDeadline(time.Time) error  { return nil }
func (readConn) SetWriteDeadline(time.Time) error { return nil }

// newBody reads a body from r; bufLen 0 is the usual buffer.
func newBody(r io.Reader, lf bool, bufLen int) *Body {
	c := &Client{dialogue: dialogue{s: &Server{}}}
	c.w.init(readConn{r: r}, c.s)
	if bufLen > 0 {
		c.w.buf = make([]byte, bufLen)
	}
	c.w.await(time.Minute, true)
	return &Body{w: &c.w, fail: func(err error) error { return c.failed("RETR 1", err) }, bol: true, lf: lf, limit: maxUnknownBody}
}

// slowBody is the reference: octet by octet, the rules as RFC 1939 states
// them. It returns the body and what follows it; false without a terminator.
func slowBody(in []byte, lf bool) (out, rest []byte, ok bool) {
	for bol := true; len(in) > 0; {
		switch {
		case bol && bytes.HasPrefix(in, []byte(".\r\n")):
			return out, in[3:], true
		case bol && in[0] == '.':
			in, bol = in[1:], false
		case bytes.HasPrefix(in, []byte("\r\n")):
			if !lf {
				out = append(out, '\r')
			}
			out, in, bol = append(out, '\n'), in[2:], true
		default:
			out, in, bol = append(out, in[0]), in[1:], false
		}
	}
	return out, nil, false
}

func checkBody(t *testing.T, in []byte, lf bool, bufLen int, wrap func(io.Reader) io.Reader, step int) {
	t.Helper()
	want, rest, ok := slowBody(in, lf)
	b := newBody(wrap(bytes.NewReader(in)), lf, bufLen)
	var got []byte
	var err error
	for p := make([]byte, step); err == nil; {
		var n int
		n, err = b.Read(p)
		got = append(got, p[:n]...)
	}
	switch {
	case ok && err != io.EOF:
		t.Fatalf("%q lf=%v: error %v", in, lf, err)
	case !ok && !errors.Is(err, io.ErrUnexpectedEOF):
		t.Fatalf("%q lf=%v: error %v, want unexpected EOF", in, lf, err)
	case ok && !bytes.Equal(got, want), !bytes.HasPrefix(want, got):
		t.Fatalf("%q lf=%v step=%d: got %q, want %q", in, lf, step, got, want)
	case ok && b.Octets() != int64(len(in)-len(rest)):
		t.Fatalf("%q: %d octets, want %d", in, b.Octets(), len(in)-len(rest))
	}
}

func plainReader(r io.Reader) io.Reader { return r }

func FuzzBody(f *testing.F) {
	for _, s := range []string{
		"", ".\r\n", "..\r\n.\r\n", "a\r\n.\r\n", "a\n.\n\r\n.\r\n", "\r\r\n.\r\n", "a\r\n.b\r\n..\r\n.\r\nrest", ".\r", "\r", "a\r\n.",
		"\n.\r\n", "\r.\r\n.\r\n", "a\rb\nc\r\n.\r\n", ".\rx\r\n.\r\n", "\r\n\r\n..\r\n\r\n.\r\n",
		strings.Repeat("0123456789\r\n", 20) + ".\r\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, n uint8) {
		step := int(n)%64 + 1
		for _, lf := range []bool{false, true} {
			checkBody(t, in, lf, 0, plainReader, 4096)
			checkBody(t, in, lf, 4+step, plainReader, step)
			checkBody(t, in, lf, 0, iotest.OneByteReader, step)
			checkBody(t, in, lf, 16, iotest.HalfReader, step)
			checkBody(t, in, lf, 0, iotest.DataErrReader, step)
		}
	})
}

func TestBodyLongLines(t *testing.T) {
	for _, n := range []int{bufSize - 2, bufSize - 1, bufSize, bufSize + 1, 3*bufSize - 1, 1 << 20} {
		in := []byte(strings.Repeat("x", n) + "\r\n..\r\n.\r\n")
		for _, lf := range []bool{false, true} {
			checkBody(t, in, lf, 0, plainReader, 32<<10)
		}
	}
}

func TestBodyIsAReader(t *testing.T) {
	b := newBody(strings.NewReader("one\r\n..two\r\n.\r\n"), true, 0)
	if err := iotest.TestReader(b, []byte("one\n.two\n")); err != nil {
		t.Error(err)
	}
}

func TestBodyGuard(t *testing.T) {
	b := newBody(strings.NewReader(strings.Repeat("x", 5000)), false, 0)
	b.limit = 1000
	if _, err := io.Copy(io.Discard, b); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
}

// endless repeats one message for ever.
type endless struct {
	msg []byte
	off int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.msg[e.off:])
	e.off = (e.off + n) % len(e.msg)
	return n, nil
}

func BenchmarkBody(b *testing.B) {
	line := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 2)[:76] + "\r\n"
	msg := []byte(strings.Repeat(line, 1300) + "..\r\n.\r\n")
	for name, lf := range map[string]bool{"CRLF": false, "LF": true} {
		b.Run(name, func(b *testing.B) {
			body := newBody(&endless{msg: msg}, lf, 0)
			p := make([]byte, 64<<10)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				body.bol, body.err, body.n = true, nil, 0
				for body.err == nil {
					_, _ = body.Read(p)
				}
			}
		})
	}
}
