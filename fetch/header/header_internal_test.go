package header

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestUnfold: as strings.Fields takes a value apart, so that fingerprints are
// those on record.
func TestUnfold(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	pieces := []string{" ", "  ", "\t", "\r\n ", "\n\t", "a", "bc", "<x@y>", "\v", "\f", "\x00", "\x1f", "é", "\u0085", "\u00a0",
		"\u2003", "\xff", "\xc2"}
	for range 5000 {
		v := ""
		for range random.IntN(8) {
			v += pieces[random.IntN(len(pieces))]
		}
		if got, want := string(unfold([]byte("b "), []byte(v))), "b "+strings.Join(strings.Fields(v), " "); got != want {
			t.Fatalf("%q: got %q, want %q", v, got, want)
		}
	}
}
