package mbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzRoundTrip writes two messages and reads them back.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{
		"", "\n", "x", "From ", "From a\n>From b\n>>>From c\n", ">", ">>\n>F\n>From\n", "A: b\n\nFrom x\n\n\nFrom y",
		"Content-Length: 3\n\nabc", "CONTENT-LENGTH \t: 0\n\nFrom x\n",
		"x-mailhaul-content-length: 3\ncontent-length: 7\nFrom a\n\n\n\nFrom b\n",
		strings.Repeat(">", bufferSize-2) + "From x\n", strings.Repeat("x", bufferSize) + "From y\n>From z\n",
		"Status: R\n folded\nA: b\n\nStatus: x\n",
		"A: b\n\nFrom From From x\nx From y\n> >From z\n>>From From \nFrom ", "\n\nFrom \n>>>\nFrom ",
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(2))
	}
	f.Fuzz(func(t *testing.T, message []byte, format uint8) {
		checkRoundTrip(t, message, Format(format%3), bytes.NewReader(message))
	})
}

func checkRoundTrip(t *testing.T, message []byte, format Format, body io.Reader) {
	t.Helper()
	s, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	first, broken, err := s.add(context.Background(), format, envelope(), body)
	if broken != nil || err != nil {
		t.Fatal(broken, err)
	}
	if _, _, err = s.add(context.Background(), format, envelope(), strings.NewReader("second\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.spill(); err != nil {
		t.Fatal(err)
	}
	m := Mailbox{f: s.f.File, format: format}
	var got [][]byte
	err = scan(context.Background(), s.f, 0, s.size, format, func(e entry) error {
		if len(got) == 0 {
			if sum, err := contentSum(s.f, e); err != nil || sum != first.sum {
				t.Errorf("content hash %x, %v, want %x", sum, err, first.sum)
			}
			both := bytes.Contains(message, []byte(">From ")) && format == MBOXO // not reversible
			if ok, err := m.has(e, sha256.Sum256(message)); !ok && !both {
				t.Errorf("not found by its hash: %v", err)
			}
		}
		var b bytes.Buffer
		err := m.Copy(&b, e.place())
		got = append(got, b.Bytes())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := endLine(message)
	if format == MBOXO { // not reversible: compare what quoting makes equal
		want = bytes.ReplaceAll(append([]byte("\n"), want...), []byte("\n>From "), []byte("\nFrom "))[1:]
	}
	if len(got) != 2 || !bytes.Equal(got[0], want) || string(got[1]) != "second\n" {
		t.Errorf("format %d: got %.200q, want %.200q", format, got, want)
	}
	if first.added != !bytes.HasSuffix(message, []byte("\n")) {
		t.Errorf("added %v", first.added)
	}
}

// FuzzScan reads what was not written by us.
func FuzzScan(f *testing.F) {
	f.Add([]byte("x\nFrom a\nContent-Length: 5\n\nabcdef\n\nFrom b\nContent-Length: 99999999999999999999\n\n"), uint8(2))
	f.Add([]byte("From a\n\n\n\n\x00\x00From b"), uint8(0))
	f.Fuzz(func(t *testing.T, content []byte, format uint8) {
		path := filepath.Join(t.TempDir(), "mbox")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path, Format(format%3))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		last := int64(0)
		err = scan(context.Background(), m.f, 0, m.info.Size(), m.format, func(e entry) error {
			if e.start < last || e.body < e.start || e.end < e.body || e.end > m.info.Size() {
				t.Errorf("after %d: %+v", last, e)
			}
			last = e.end
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if _, _, err := m.Find(context.Background(), "offset=3 length=9 crc32c=00000000", sha256.Sum256(content)); err != nil {
			t.Error(err)
		}
	})
}

// TestQuotingAcrossBuffers moves a line that is to be quoted over the end of
// the buffer, and reads through readers that return little at a time.
func TestQuotingAcrossBuffers(t *testing.T) {
	t.Parallel()
	for format := range MBOXCL2 + 1 {
		for shift := range 12 {
			text := "A: b\n\n" + strings.Repeat("x", bufferSize-12+shift-6) + "\n>>From a\nFrom b\n"
			checkRoundTrip(t, []byte(text), format, strings.NewReader(text))
		}
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
			text := "From x\nContent-Length: 8\n\n" + strings.Repeat(">>From a\nFrom b\n>x\n", 1000) + ">"
			checkRoundTrip(t, []byte(text), format, wrap(strings.NewReader(text)))
		}
	}
}

func TestFirstErrorOfABodyIsKept(t *testing.T) {
	t.Parallel()
	d := newDeliverer(t, Options{Path: filepath.Join(t.TempDir(), "mbox")})
	b := stage(t, d)
	body := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("From the beginning\n")))
	if err := b.Add(t.Context(), envelope(), body); err != iotest.ErrTimeout {
		t.Errorf("got %v, want %v", err, iotest.ErrTimeout)
	}
}
