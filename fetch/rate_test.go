package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
)

func TestRateIsHeldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&Fetcher{}).newRun(&Account{Limits: plan.Limits{Rate: 100 << 10}})
		wait := r.pace(context.Background())
		start := time.Now()
		for range 100 {
			if err := wait(64 << 10); err != nil {
				t.Fatal(err)
			}
		}
		// 6,400 KiB less the first burst, at 100 KiB a second.
		if took := time.Since(start).Round(time.Second); took != 61*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
