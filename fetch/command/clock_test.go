package command

import (
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// TestStatusTellsOfTheClock: status says that the clock jumped.
func TestStatusTellsOfTheClock(t *testing.T) {
	t.Parallel()
	from, to := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 2, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	writeDetails(&b, &jsonline.Status{StatusFile: state.StatusFile{Account: "work"}, ClockJumped: to, ClockFrom: from})
	if got, want := b.String(), "work: the clock jumped from "+term.Stamp(from)+" to "+term.Stamp(to)+" between two runs; days are "+
		"counted from then\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
