package content_test

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/content"
)

// wanted are the sums by their definition.
func wanted(text []byte) content.Sums {
	header, body, _ := bytes.Cut(bytes.ReplaceAll(text, []byte("\r"), nil), []byte("\n\n"))
	header = append([]byte(nil), header...)
	for i, c := range header {
		if c >= 0x80 {
			header[i] = 'X'
		}
	}
	loose := bytes.TrimRight(append(append(header, "\n\n"...), body...), "\n")
	return content.Sums{Exact: sha256.Sum256(text), Loose: sha256.Sum256(loose)}
}

// TestSums: however a message is cut into pieces, its sums are those of their
// definition, as it is delivered and as it comes back from a server.
func TestSums(t *testing.T) {
	t.Parallel()
	words := []string{"a", "Subject: x", "\n", "\n", "\n\n", "\r", "é", "\x80", "\n\n\n\n", strings.Repeat("y", 200)}
	rnd := rand.New(rand.NewPCG(1, 2))
	s := content.New()
	for range 20_000 {
		text := []byte("From: a")
		for range rnd.IntN(12) {
			text = append(text, words[rnd.IntN(len(words))]...)
		}
		want := wanted(text)
		s.Reset()
		for _, p := range cut(rnd, text) {
			s.Delivered(p)
		}
		if got := s.Sums(); got != want {
			t.Fatalf("%q delivered: %x, want %x", text, got, want)
		}
		if bytes.Contains(text, []byte("\r\n")) { // as a line end it comes back as one
			continue
		}
		s.Reset()
		for _, p := range cut(rnd, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))) {
			_, _ = s.Write(p)
		}
		if got := s.Sums(); got != want {
			t.Fatalf("%q read back: %x, want %x", text, got, want)
		}
	}
}

func cut(rnd *rand.Rand, p []byte) (out [][]byte) {
	for len(p) > 0 {
		n := 1 + rnd.IntN(len(p))
		out, p = append(out, p[:n]), p[n:]
	}
	return out
}
