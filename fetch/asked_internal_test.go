package fetch

import (
	"fmt"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// TestAbsenceFromAPartIsNoAnswer: where the server may list only a part.
func TestAbsenceFromAPartIsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		window, listed int
		gmail          bool
		gone           int
		note           string
	}{
		{"all is listed", 0, 3, false, 2, "3 of the 4 messages whose deletion was not confirmed are gone"},
		{"a window that is not full", 250, 3, false, 2, "3 of the 4 messages whose deletion was not confirmed are gone"},
		{"a full window", 250, 250, false, 0, "1 of the 2 messages whose deletion was not confirmed is gone"},
		{"Gmail", 0, 3, true, 0, "1 of the 2 messages whose deletion was not confirmed is gone"},
	} {
		r := (&Fetcher{}).newRun(&Account{})
		r.facts.Window, r.compared = tt.window, map[state.Key]bool{"other": true, "same": false}
		var change state.Change
		r.answered([]state.Key{"other", "same"}, &plan.Plan{Listed: tt.listed, Vanished: []state.Key{"a", "b"}}, tt.gmail, &change)
		if len(change.Deleted) != tt.gone || r.sum.Deleted != 1 || fmt.Sprint(r.sum.Notes) != "["+tt.note+"]" {
			t.Errorf("%s: %v, %q", tt.name, change.Deleted, r.sum.Notes)
		}
	}
}
