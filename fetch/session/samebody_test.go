package session

import (
	"bufio"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/state"
)

func TestLikeness(t *testing.T) {
	sums := func(text string) Sums {
		s, err := sumsOf(bufio.NewReaderSize(strings.NewReader(text), header.MaxSize))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, marked := "Subject: x\n\nbody\n", "Status: RO\nSubject: x\nX-UIDL: 1\n\nbody\n"
	raw := func(text string) [32]byte { return sha256.Sum256([]byte(text)) }
	for name, tc := range map[string]struct {
		entry  state.Entry
		now    string
		traced bool
		want   likeness
	}{
		"as it was":                      {state.Entry{SHA256: raw(plain)}, plain, false, sameMessage},
		"marked since":                   {state.Entry{SHA256: raw(plain)}, marked, false, sameMessage},
		"marked then":                    {state.Entry{SHA256: raw(marked), Content: raw(plain)}, plain, false, sameMessage},
		"marked then, by an old version": {state.Entry{SHA256: raw(marked)}, marked, false, sameMessage},
		"another body":                   {state.Entry{SHA256: raw(plain)}, plain + "more\n", false, otherMessage},
		"another header":                 {state.Entry{SHA256: raw(plain)}, "X: y\n" + plain, false, otherMessage},
		"with a trace field": {state.Entry{SHA256: raw("Received: us\n" + plain), Content: raw(plain)}, plain, true,
			sameMessage},
		"an old one with a trace field": {state.Entry{SHA256: raw("Received: us\n" + plain)}, plain, true, notCompared},
		"never retrieved":               {state.Entry{Source: state.Imported}, plain, false, notCompared},
	} {
		s := sums(tc.now)
		if got := s.like(&tc.entry, tc.traced); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
