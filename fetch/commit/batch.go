package commit

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// Bounds of one batch: whichever is reached first closes it. Large enough to
// share the cost of a transaction and of a directory's fsync, small enough
// that little is fetched again after a crash. The first batch is small and
// each one twice the last, so that the commit side is busy from early on. See
// batchSize for the last ones.
const (
	DefaultBatch = 400
	firstBatch   = 64
	batchBytes   = 32 << 20
	batchAge     = 5 * time.Second
)

// message is one retrieved message on its way to its targets.
type message struct {
	plan.Item
	size    int64
	sum     [32]byte
	content [32]byte // see state.Entry.Content
	print   state.Fingerprint
	shared  *sharing // nil: its recipients are those of the targets
	pending int      // targets that do not have it yet
	landed  bool     // in a target, in this run
}

// delivery is a message in one part of a batch: the IDs are the configured
// targets that it counts for, one but for the quarantine.
type delivery struct {
	msg *message
	ids []string
}

// part is one target's share of a batch.
type part struct {
	target     *Target
	status     state.Status
	batch      deliver.Batch
	deliveries []delivery
	intents    []state.Intent // filled by the commit side
}

// batch is a group of staged messages, at most one of them staged and one in
// commit.
type batch struct {
	msgs   []*message
	parts  []*part
	bytes  int64
	opened time.Time
}

func newBatch() *batch { return &batch{opened: time.Now()} }

func (b *batch) full(limit int, now time.Time) bool {
	return len(b.msgs) >= limit || b.bytes >= batchBytes || now.Sub(b.opened) >= batchAge
}

// batchSize is how many of the left messages the next batch takes, at most
// most. Towards the end each takes half of the rest: the last one is committed
// when nothing else goes on. What is little is not divided.
func batchSize(usual, left, most int) int {
	switch {
	case left > 2*firstBatch:
		usual = min(usual, left/2)
	case left > 0:
		usual = left
	}
	return min(usual, most)
}

// abort removes what was staged. Never called once recording was attempted.
func (b *batch) abort() error {
	var errs []error
	for _, p := range b.parts {
		errs = append(errs, p.batch.Abort())
	}
	return errors.Join(errs...)
}

// part returns the target's share, opening it if this is its first message.
func (b *batch) part(ctx context.Context, t *Target, status state.Status) (*part, error) {
	i := slices.IndexFunc(b.parts, func(p *part) bool { return p.target == t })
	if i >= 0 {
		return b.parts[i], nil
	}
	db, err := t.Begin(ctx)
	if err != nil {
		return nil, err
	}
	p := &part{target: t, status: status, batch: db}
	b.parts = append(b.parts, p)
	return p, nil
}

// tee adds one message to several parts at once: body is read once and each
// part sees all of it. It returns one error a part; reading goes on as long as
// one part still wants the message.
func tee(ctx context.Context, env func(i int) deliver.Envelope, parts []*part, body io.Reader) []error {
	errs := make([]error, len(parts))
	if len(parts) == 1 {
		errs[0] = parts[0].batch.Add(ctx, env(0), body)
		return errs
	}
	writers := make([]*io.PipeWriter, len(parts))
	done := make(chan int)
	for i, p := range parts {
		r, w := io.Pipe()
		writers[i] = w
		go func() {
			errs[i] = p.batch.Add(ctx, env(i), r)
			_ = r.CloseWithError(io.ErrClosedPipe) // the writer goes on without us
			done <- i
		}()
	}
	err := copyToAll(writers, body)
	for _, w := range writers {
		_ = w.CloseWithError(err) // nil is a clean end
	}
	for range parts {
		<-done
	}
	return errs
}

// copyToAll copies until the source ends or nobody listens any more.
func copyToAll(writers []*io.PipeWriter, body io.Reader) error {
	buf := make([]byte, 64<<10)
	open := slices.Clone(writers)
	for len(open) > 0 {
		n, err := body.Read(buf)
		open = slices.DeleteFunc(open, func(w *io.PipeWriter) bool {
			_, werr := w.Write(buf[:n])
			return werr != nil
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

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
