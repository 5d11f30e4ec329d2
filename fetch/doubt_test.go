package fetch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestNothingIsSettledInDoubt: a server breaks stuffing, order or counts, and
// connections and runs end at any time. No octet of a message is missing in the
// end, or the message is still on the server and the last run says so.
// MAILHAUL_SEEDS=N,M plays the servers from N to M.
func TestNothingIsSettledInDoubt(t *testing.T) {
	t.Parallel()
	from, to := uint64(1), uint64(120)
	if s := os.Getenv("MAILHAUL_SEEDS"); s != "" {
		if _, err := fmt.Sscanf(s, "%d,%d", &from, &to); err != nil {
			t.Fatal(err)
		}
	}
	for seed := from; seed <= to; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			synctest.Test(t, func(t *testing.T) { breakIt(t, g, newBreaker(seed)) })
		})
	}
}

func breakIt(t *testing.T, g *fetchtest.Rig, b *breaker) {
	a := g.Account
	a.Policy = plan.Policy{Keep: plan.Keep{None: true}}
	a.Server.Dial, a.Server.Idle = b.dial, time.Second
	plain := a.Targets[0].Deliverer
	kills := rand.New(rand.NewPCG(b.rng.Uint64(), 2))
	var last fetch.Summary
	for n := range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		left := -1
		if n < 4 && kills.IntN(3) == 0 {
			left = kills.IntN(len(b.mail))
		}
		a.Targets[0].Deliverer = hook{plain, func(deliver.Envelope) error {
			if left--; left == -1 {
				cancel()
			}
			return nil
		}}
		last = g.Fetcher.Run(ctx, []*fetch.Account{a})[0]
		cancel()
		time.Sleep(3 * time.Hour)
	}
	got := sums(t, g.Dir+"/Maildir")
	for _, m := range b.mail {
		sum := pop3test.Sum(m.text)
		n := got[sum]
		delete(got, sum)
		switch {
		case n > 1:
			t.Errorf("%s is there %d times", m.uid, n)
		case n == 0 && m.gone:
			t.Errorf("%s is lost", m.uid)
		case n == 0 && last.Err == nil && last.Skipped == 0:
			t.Errorf("%s is not there, and the run says nothing", m.uid)
		}
	}
	for range got {
		t.Errorf("a damaged message was delivered")
	}
	if t.Failed() {
		t.Logf("%+v, last run: %v, %v", b.habits, last.Err, last.Notes)
	}
}
