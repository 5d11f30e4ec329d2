package schedule

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestEachGoesByOrder: runs begin in their order, and who waits for a busy host
// keeps nobody else waiting.
func TestEachGoesByOrder(t *testing.T) {
	for _, tc := range []struct {
		parallel, perHost int
		hosts, want       string // want: "-" means that nobody can begin until one ends
	}{
		{1, 0, "aaa", "0-1-2"},
		{1, 1, "aba", "0-1-2"},
		{2, 1, "aabb", "02-1-3"},
		{3, 2, "aaabc", "013-2-4"},
		{9, 0, "abc", "012"},
		{2, 2, "ababb", "01-2-3-4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			type begun struct {
				i       int
				release func()
			}
			var running, step []begun // those of one step begin together
			got := make(chan begun)
			go func() {
				defer close(got)
				Each(t.Context(), letters(tc.hosts), tc.parallel, tc.perHost, func(i int, release func()) { got <- begun{i, release} })
			}()
			order := ""
			sorted := func() {
				slices.SortFunc(step, func(a, b begun) int { return a.i - b.i })
				for _, b := range step {
					order += strconv.Itoa(b.i)
				}
				running, step = append(running, step...), nil
			}
			for open := true; open; {
				synctest.Wait()
				select {
				case next, ok := <-got:
					if open = ok; ok {
						step = append(step, next)
					}
				default:
					sorted()
					order += "-"
					running[0].release()
					running = running[1:]
				}
			}
			if sorted(); order != tc.want {
				t.Errorf("%d at a time, %d a host, %s: %s, want %s", tc.parallel, tc.perHost, tc.hosts, order, tc.want)
			}
		})
	}
}

func letters(s string) (out []string) {
	for _, r := range s {
		out = append(out, string(r))
	}
	return out
}

// TestEachStops: with a done context nothing more begins, and what has begun is
// waited for.
func TestEachStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := 0
		left := Each(ctx, letters("aaaa"), 2, 0, func(i int, release func()) {
			defer release()
			cancel()
			time.Sleep(time.Second)
			ended++
		})
		if !slices.Equal(left, []int{2, 3}) || ended != 2 {
			t.Errorf("left %v, %d ended", left, ended)
		}
	})
}
