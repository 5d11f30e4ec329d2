package fetch

import (
	"context"

	"golang.org/x/time/rate"
)

// rateBurst is what may come at once below a limit: at least one buffer.
const rateBurst = 256 << 10

// newLimiter makes the limiter of a run; nil without a limit.
func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), rateBurst)
}

// pace returns what holds a message's bytes to the run's rate. The server is
// slowed down by TCP: what is not read is not sent.
func (r *run) pace(ctx context.Context) func(n int) error {
	if r.limiter == nil {
		return func(int) error { return nil }
	}
	return func(n int) error {
		for n > 0 {
			k := min(n, rateBurst)
			if err := r.limiter.WaitN(ctx, k); err != nil {
				return context.Cause(ctx)
			}
			n -= k
		}
		return nil
	}
}
