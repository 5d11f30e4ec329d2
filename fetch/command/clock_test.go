package command

import (
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// TestStatusTellsOfTheClock: status says that the clock jumped, and a time of the
// future is no success for ever.
func TestStatusTellsOfTheClock(t *testing.T) {
	from, to := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 2, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	writeDetails(&b, &jsonline.Status{StatusFile: state.StatusFile{Account: "work"}, ClockJumped: to, ClockFrom: from})
	if got, want := b.String(), "work: the clock jumped from "+term.Stamp(from)+" to "+term.Stamp(to)+" between two runs; days are counted from then\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s := state.StatusFile{LastRun: &state.Run{Exit: 75}, LastSuccess: to, Since: from.Add(-time.Hour)}
	if !overdue(&s, 24*time.Hour, from.Add(24*time.Hour)) {
		t.Error("a success of 2036 counts as one")
	}
	if event, due := alertDue(&s, 24*time.Hour, from.Add(24*time.Hour)); !due || event != jsonline.NoSuccess {
		t.Errorf("no alert: %q, %t", event, due)
	}
}
