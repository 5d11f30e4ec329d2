package session

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/pop3"
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
		j := ledger.NewJournal(slog.New(slog.DiscardHandler), time.Now, nil)
		m := &Maildrop{Book: &Book{Facts: &state.Facts{Window: tt.window}}, Side: &commit.Side{Journal: j}}
		s := &Session{m: m, List: make([]pop3.Message, tt.listed),
			names: &identity{compared: map[state.Key]bool{"other": true, "same": false}}}
		gone := s.answered([]state.Key{"other", "same"}, []state.Key{"a", "b"}, tt.gmail)
		if len(gone) != tt.gone || m.Tally.Deleted != 1 || fmt.Sprint(j.Notes()) != "["+tt.note+"]" {
			t.Errorf("%s: %v, %q", tt.name, gone, j.Notes())
		}
	}
}
