package gmail

import (
	"context"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/remote"
)

const (
	// share is the part of the quota that is used. What is left of it allows to make up
	// for a pause between two batches: credit, within which no minute has too many.
	share  = 0.97
	credit = 1855 * time.Millisecond
	// slower is what is left of the rate after a refusal, slowest the least share of it,
	// and faster how much of the full rate each success brings back.
	slower  = 0.75
	slowest = 0.02
	faster  = 0.002
)

// pacer spaces calls at the rate of a quota. It may be used by several goroutines.
type pacer struct {
	mu    sync.Mutex
	full  float64 // units in a second
	rate  float64
	next  time.Time // when the next call may begin
	until time.Time // no call begins before
}

func newPacer(perMinute int) *pacer {
	full := float64(perMinute) / 60 * share
	return &pacer{full: full, rate: full}
}

// wait waits for the turn of a call that costs so many units.
func (p *pacer) wait(ctx context.Context, units int) error {
	p.mu.Lock()
	at := latest(time.Now().Add(-credit), p.next, p.until)
	p.next = at.Add(time.Duration(float64(units) / p.rate * float64(time.Second)))
	p.mu.Unlock()
	for { // a refusal of another call may come in between
		if err := remote.Pause(ctx, time.Until(at)); err != nil {
			return err
		}
		p.mu.Lock()
		at = p.until
		p.mu.Unlock()
		if !at.After(time.Now()) {
			return nil
		}
	}
}

// hold lets no call begin for a while.
func (p *pacer) hold(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = latest(p.until, time.Now().Add(d))
}

// slow lowers the rate, after a refusal because of it. Calls that began before the last
// refusal tell nothing new.
func (p *pacer) slow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until.After(time.Now()) {
		return
	}
	p.rate = max(p.rate*slower, p.full*slowest)
}

// well raises the rate again, after a success.
func (p *pacer) well() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = min(p.rate+p.full*faster, p.full)
}

func latest(times ...time.Time) (t time.Time) {
	for _, other := range times {
		if other.After(t) {
			t = other
		}
	}
	return t
}
