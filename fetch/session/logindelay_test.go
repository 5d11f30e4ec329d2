package session

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/state"
)

func TestShortLoginDelayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := ledger.NewJournal(slog.New(slog.DiscardHandler), time.Now, func(ledger.Progress) {})
		d := &Dialer{Facts: &state.Facts{LoginDelay: 20 * time.Second, LastLogin: time.Now()}, Journal: quiet}
		start := time.Now()
		if err := d.Await(context.Background(), false); err != nil || time.Since(start) != 20*time.Second {
			t.Fatalf("waited %v, err %v", time.Since(start), err)
		}
	})
}

func TestLoginPause(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		name string
		f    state.Facts
		want time.Duration
	}{
		{"nothing known", state.Facts{}, 0},
		{"no delay", state.Facts{LastLogin: now}, 0},
		{"no login", state.Facts{LoginDelay: time.Minute}, 0},
		{"half of it", state.Facts{LoginDelay: time.Minute, LastLogin: now.Add(-30 * time.Second)}, 30 * time.Second},
		{"over", state.Facts{LoginDelay: time.Minute, LastLogin: now.Add(-61 * time.Second)}, -time.Second},
		{"refused since", state.Facts{LoginDelay: time.Minute, LastLogin: now.Add(-time.Hour), NextLogin: now.Add(10 * time.Second)},
			10 * time.Second},
		{"the clock was wrong", state.Facts{LoginDelay: time.Minute, LastLogin: now.Add(24 * time.Hour),
			NextLogin: now.Add(24 * time.Hour)}, 0},
	} {
		if got := LoginPause(&tt.f, now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
