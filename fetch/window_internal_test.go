package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestShortLoginDelayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&Fetcher{}).newRun(&Account{Name: "a"})
		r.facts.LoginDelay, r.facts.LastLogin = 20*time.Second, time.Now()
		start := time.Now()
		if err := r.awaitLogin(context.Background(), false); err != nil || time.Since(start) != 20*time.Second {
			t.Fatalf("waited %v, err %v", time.Since(start), err)
		}
	})
}
