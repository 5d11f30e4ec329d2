package session

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
)

func TestRateIsHeldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(ledger.NewJournal(slog.New(slog.DiscardHandler), time.Now, func(ledger.Progress) {}), 100<<10)
		start := time.Now()
		for range 100 {
			if err := m.pass(context.Background(), 64<<10); err != nil {
				t.Fatal(err)
			}
		}
		// 6,400 KiB less the first burst, at 100 KiB a second.
		if took := time.Since(start).Round(time.Second); took != 61*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
