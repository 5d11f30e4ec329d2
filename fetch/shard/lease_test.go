package shard

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hold takes a lease and fails the test if it does not get it.
func hold(t *testing.T, dir string, s Shard) (context.Context, func()) {
	t.Helper()
	ctx, end, err := Hold(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, end
}

func mustBeHeld(t *testing.T, dir string, s Shard) {
	t.Helper()
	_, _, err := Hold(t.Context(), dir, s)
	if held := new(HeldError); !errors.As(err, &held) || held.Shard != s || held.By == "" {
		t.Errorf("%v, want that another process has it", err)
	}
}

// abandon leaves a lease as a killed process does.
func abandon(t *testing.T, dir string, s Shard) {
	t.Helper()
	if err := (&lease{path: leasePath(dir, s), owner: "other, process 1 X"}).create(); err != nil {
		t.Fatal(err)
	}
}

func TestLease(t *testing.T) {
	one, two := Shard{1, 2}, Shard{2, 2}
	for name, play := range map[string]func(t *testing.T, dir string){
		"one process has it": func(t *testing.T, dir string) {
			ctx, end := hold(t, dir, one)
			mustBeHeld(t, dir, one)
			_, endTwo := hold(t, dir, two)
			time.Sleep(time.Hour)
			mustBeHeld(t, dir, one)
			if ctx.Err() != nil {
				t.Error(context.Cause(ctx))
			}
			end()
			endTwo()
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
			_, end = hold(t, dir, one)
			end()
		},
		"a killed process loses it": func(t *testing.T, dir string) {
			abandon(t, dir, one)
			began := time.Now()
			_, end := hold(t, dir, one)
			defer end()
			if waited := time.Since(began); waited != expireAfter {
				t.Errorf("waited %v", waited)
			}
		},
		"another number of shards": func(t *testing.T, dir string) {
			_, end := hold(t, dir, one)
			mustBeHeld(t, dir, Shard{3, 3})
			if _, err := os.Stat(leasePath(dir, Shard{3, 3})); err == nil {
				t.Error("who did not get it left its lease")
			}
			end()
			abandon(t, dir, two)
			_, end = hold(t, dir, Shard{3, 3})
			end()
		},
		"who waits for another number of shards keeps its own": func(t *testing.T, dir string) {
			for n := range 3 {
				abandon(t, dir, Shard{n + 1, 3})
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(10 * time.Second)
				mustBeHeld(t, dir, Shard{1, 4})
			})
			ctx, end := hold(t, dir, Shard{1, 4})
			time.Sleep(time.Minute)
			if ctx.Err() != nil {
				t.Error(context.Cause(ctx))
			}
			wg.Wait()
			end()
		},
		"a file system that is slow, and then does not answer": func(t *testing.T, _ string) {
			var began time.Time
			err := renew(nil, func() error {
				if began.IsZero() {
					began = time.Now()
					time.Sleep(renewWithin - renewEvery - time.Second)
				} else {
					time.Sleep(time.Hour)
				}
				return nil
			})
			if after := time.Since(began); err == nil || after > renewWithin {
				t.Errorf("%v, %v after the last renewal began", err, after)
			}
			time.Sleep(time.Hour)
		},
		"one that was taken over": func(t *testing.T, dir string) {
			ctx, end := hold(t, dir, one)
			defer end()
			_ = os.Remove(leasePath(dir, one))
			abandon(t, dir, one)
			<-ctx.Done()
			if !errors.As(context.Cause(ctx), new(*LostError)) {
				t.Error(context.Cause(ctx))
			}
		},
		"several wait for it": func(t *testing.T, dir string) {
			abandon(t, dir, one)
			var got sync.Map
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					if ctx, end, err := Hold(t.Context(), dir, one); err == nil {
						time.Sleep(time.Minute)
						if ctx.Err() == nil {
							got.Store(i, true)
						}
						end()
					} else if !errors.As(err, new(*HeldError)) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			n := 0
			got.Range(func(_, _ any) bool { n++; return true })
			if n > 1 {
				t.Errorf("%d have it", n)
			}
		},
		"a run that is stopped": func(t *testing.T, dir string) {
			ctx, cancel := context.WithCancel(t.Context())
			abandon(t, dir, one)
			cancel()
			if _, _, err := Hold(ctx, dir, one); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		},
		"all accounts": func(t *testing.T, dir string) {
			_, end := hold(t, dir, Shard{})
			end()
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { play(t, dir) })
		})
	}
}
