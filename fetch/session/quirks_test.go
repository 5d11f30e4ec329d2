package session

import (
	"log/slog"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/state"
)

// TestDroppedQuirk: what no session confirmed leaves nothing behind.
func TestDroppedQuirk(t *testing.T) {
	t.Parallel()
	d := &Dialer{Facts: &state.Facts{}, Journal: ledger.NewJournal(slog.New(slog.DiscardHandler), time.Now, nil)}
	d.noteQuirk(&d.Facts.NoCapa, &d.Facts.NoCapaAt, "it hung up")
	d.DropQuirks()
	if d.Facts.NoCapa || !d.Facts.NoCapaAt.IsZero() || len(d.Journal.Notes()) != 0 {
		t.Errorf("%+v, notes %q", d.Facts, d.Journal.Notes())
	}
}
