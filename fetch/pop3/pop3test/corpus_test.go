package pop3test_test

import (
	"bytes"
	"net/mail"
	"slices"
	"sort"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestCorpus(t *testing.T) {
	const n = 1000
	corpus := pop3test.Corpus(7, n)
	if !slices.EqualFunc(corpus[:20], pop3test.Corpus(7, 20), bytes.Equal) {
		t.Error("a shorter corpus differs")
	}
	if bytes.Equal(corpus[20], pop3test.Corpus(8, 21)[20]) {
		t.Error("another seed gives the same")
	}
	ids := map[string]bool{}
	var sizes []int
	years := map[int]bool{}
	for i, m := range corpus {
		msg, err := mail.ReadMessage(bytes.NewReader(append(bytes.Clone(m), "\r\n"...)))
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		ids[msg.Header.Get("Message-ID")] = true
		date, err := msg.Header.Date()
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		years[date.Year()] = true
		sizes = append(sizes, len(m))
		if got := bytes.Count(m, []byte("\n")); got != bytes.Count(m, []byte("\r\n")) {
			t.Errorf("%d: bare LF", i)
		}
	}
	sort.Ints(sizes)
	if len(ids) != n || len(years) < 20 {
		t.Errorf("%d message ids, %d years", len(ids), len(years))
	}
	if m := sizes[n/2]; m < 6000 || m > 10_000 {
		t.Errorf("median size %d", m)
	}
	if m := sizes[n-1]; m < 1<<20 {
		t.Errorf("largest %d", m)
	}
}

// TestCorpusTraps names what the first messages must hold.
func TestCorpusTraps(t *testing.T) {
	all := bytes.Join(pop3test.CorpusOptions{Seed: 1, N: 14, Bare: true}.Generate(), nil)
	for _, want := range []string{"\r\n.\r\n", "\r\n..\r\n", "\r\n.x", "\xe9", "\r\nFrom ", "\r\n>From ", "\n.\n", "\r.\r", "\x00"} {
		if !bytes.Contains(all, []byte(want)) {
			t.Errorf("no %q", want)
		}
	}
	corpus := pop3test.CorpusOptions{Seed: 1, N: 20, Huge: true}.Generate()
	if n := len(corpus[19]); n < 30<<20 {
		t.Errorf("the huge one has %d bytes", n)
	}
	if bytes.HasSuffix(corpus[3], []byte("\n")) || !bytes.HasSuffix(corpus[5], []byte("\r\n\r\n")) ||
		bytes.Contains(corpus[6], []byte("\r\n\r\n")) {
		t.Error("final newline, empty body or header only")
	}
}

func TestCanonical(t *testing.T) {
	tests := [][2]string{
		{"", ""}, {"a", "a\n"}, {"a\r\n", "a\n"}, {"a\r", "a\r\n"}, {"a\n", "a\n\n"}, {"a\r\r\nb\rc\nd\r\n", "a\r\nb\rc\nd\n"},
	}
	for _, tt := range tests {
		if got := string(pop3test.Canonical([]byte(tt[0]))); got != tt[1] {
			t.Errorf("%q: %q, want %q", tt[0], got, tt[1])
		}
	}
	if pop3test.Sum([]byte("a")) != pop3test.Sum([]byte("a\r\n")) {
		t.Error("sums differ")
	}
}
