package fetch

import (
	"testing"
)

// TestDroppedQuirk: what no session confirmed leaves nothing behind.
func TestDroppedQuirk(t *testing.T) {
	t.Parallel()
	r := (&Fetcher{}).newRun(&Account{})
	r.noteQuirk(&r.facts.NoCapa, &r.facts.NoCapaAt, "it hung up")
	r.dropQuirks()
	if r.facts.NoCapa || !r.facts.NoCapaAt.IsZero() || len(r.sum.Notes) != 0 {
		t.Errorf("%+v, notes %q", r.facts, r.sum.Notes)
	}
}
