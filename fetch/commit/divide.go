package commit

import (
	"cmp"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// inTime calls stream, which adds one message to the current batch, and hands
// over what was in the batch before if that grows too old meanwhile: messages
// that are whole do not wait for one on a slow line.
func (p *Pass) inTime(in *Incoming, stream func()) {
	if len(p.cur.msgs) == 0 || !in.Source.Sure() {
		stream()
		return
	}
	var mu sync.Mutex
	ended := false
	age := cmp.Or(p.side.BatchAge, batchAge) - time.Since(p.cur.opened)
	timer := time.AfterFunc(max(age, 0), func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		if whole := p.cur.divide(); whole != nil {
			p.commit.batches <- whole
		}
	})
	stream()
	timer.Stop()
	mu.Lock() // what the timer has begun comes to its end
	defer mu.Unlock()
	ended = true
}

// divide takes out of a batch what is whole; nil if no target can do that. It is
// called while a message is being added.
func (b *batch) divide() *batch {
	whole := &batch{msgs: b.msgs, opened: b.opened}
	stays := false
	for _, p := range b.parts {
		d, ok := p.batch.(deliver.Divider)
		switch {
		case len(p.deliveries) == 0:
		case !ok:
			stays = true
		default:
			whole.parts = append(whole.parts, &part{target: p.target, status: p.status, batch: d.Divide(len(p.deliveries)), deliveries: p.deliveries})
			p.deliveries = nil
		}
	}
	if len(whole.parts) == 0 {
		return nil
	}
	b.opened = time.Now()
	if !stays {
		b.msgs, b.bytes = nil, 0
	}
	return whole
}
