package commit

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// Source is where a message comes from.
type Source interface {
	// Err is why its body broke off; nil if it came to its end. It tells the
	// server's failure apart from a target's.
	Err() error
	// Sure reports whether everything so far is beyond doubt whole, and under
	// its own unique-id.
	Sure() bool
}

// Incoming is a message whose body begins to arrive.
type Incoming struct {
	Item   plan.Item
	Print  state.Fingerprint
	Header header.Header
	// Body is all of the message, from its header on.
	Body   *bufio.Reader
	Source Source
	// Left is how many messages of the pass come after it.
	Left int
}

// Pass takes the messages that the network side retrieves, stages them into
// batches and hands these to the commit goroutine.
type Pass struct {
	side   *Side
	commit *committer
	limit  int // messages in this batch
	most   int // messages in any
	// uploads: a batch is handed over when the commit side waits for it.
	uploads bool
	cur     *batch
	sum     hash.Hash
}

// Begin starts a pass over the items, and returns those that a working target
// wants. Cancel ends the network side when nothing more can be committed.
// Finish must be called.
func (s *Side) Begin(ctx context.Context, cancel context.CancelCauseFunc, items []plan.Item) (*Pass, []plan.Item) {
	p := &Pass{side: s, commit: s.start(ctx, cancel), most: s.Limit(), uploads: s.Targets.upload() > 0, sum: sha256.New()}
	items = p.wanted(ctx, items)
	p.limit = p.size(firstBatch, len(items))
	return p, items
}

// Finish hands over the last batch, unless sure says that it may hold one
// message under the unique-id of another: then it is dropped. It waits until
// everything that was handed over is committed and settled; its error is then
// the cause of whatever the network side says.
func (p *Pass) Finish(sure bool) error {
	if sure || p.cur == nil {
		p.handOver(0)
	} else {
		p.side.Journal.Log.Info("messages are retrieved again, since it is in doubt which is which", "messages", len(p.cur.msgs))
		_ = p.cur.abort() // leftovers are swept later
	}
	return p.commit.finish()
}

// Stage puts one message into the current batch, for each target that lacks
// it. Its error ends the session; what is wrong with the message or with one
// target alone is noted, and the run goes on.
func (p *Pass) Stage(ctx context.Context, in *Incoming) error {
	msg := &message{Item: in.Item, print: in.Print}
	env, err := p.side.envelope(in.Header, msg)
	if err != nil && p.side.unknown(&msg.Item, err) {
		return nil
	}
	if p.cur == nil {
		p.cur = newBatch()
	}
	parts, ids := p.open(ctx, msg)
	if len(parts) == 0 {
		return p.side.Targets.allStopped()
	}
	tag, err := tag(ctx, env, parts)
	if err != nil {
		p.side.Ledger.Fail(&msg.Item, "", err, false)
		return p.side.Targets.allStopped()
	}
	added := p.side.trace(env) + tag
	body, content := header.OwnContent(in.Header, in.Body, added != "")
	if msg.shared != nil {
		body, msg.shared.sum = header.Authored(in.Header, body)
	}
	p.sum.Reset()
	count := &counter{r: io.TeeReader(io.MultiReader(strings.NewReader(added), body), p.sum)}
	var errs []error
	p.inTime(in, func() {
		errs = tee(ctx, func(i int) deliver.Envelope { return p.side.envelopeFor(env, msg, ids[i]) }, parts, count)
	})
	if err := in.Source.Err(); err != nil {
		return err
	}
	msg.size = count.n
	p.sum.Sum(msg.sum[:0])
	msg.content = content()
	p.account(msg, parts, ids, errs)
	switch {
	case !in.Source.Sure():
	case p.cur.full(p.limit, time.Now()):
		p.handOver(in.Left)
	case p.uploads && len(p.cur.msgs) >= firstBatch:
		p.offer()
	}
	return p.side.Targets.allStopped()
}

// Stopped is the error to end with once no target is left.
func (p *Pass) Stopped() error { return p.side.Targets.allStopped() }

// open returns the parts that want the message and, beside each, the target
// IDs it counts for there.
func (p *Pass) open(ctx context.Context, msg *message) (parts []*part, ids [][]string) {
	ts := p.side.Targets
	for i := range ts.list {
		t := &ts.list[i]
		if slices.Contains(msg.Have, t.ID) {
			continue
		}
		msg.pending++
		if !msg.Wants(t.ID) || !ts.works(t) {
			continue
		}
		if part := p.part(ctx, t, state.Delivered); part != nil {
			parts, ids = append(parts, part), append(ids, []string{t.ID})
		}
	}
	if len(msg.RefusedBy) > 0 && ts.works(ts.quarantine) {
		if part := p.part(ctx, ts.quarantine, state.Quarantined); part != nil {
			parts, ids = append(parts, part), append(ids, msg.RefusedBy)
		}
	}
	return parts, ids
}

// account notes the outcome of Add in each part.
func (p *Pass) account(msg *message, parts []*part, ids [][]string, errs []error) {
	staged := false
	for i, part := range parts {
		if errs[i] == nil {
			part.deliveries = append(part.deliveries, delivery{msg, ids[i]})
			staged = true
			continue
		}
		p.side.failDelivery(&msg.Item, part.target, errs[i])
	}
	if staged {
		p.cur.msgs = append(p.cur.msgs, msg)
		p.cur.bytes += msg.size
	}
}

// failDelivery sorts the failure of one target: the target's or the message's.
func (s *Side) failDelivery(it *plan.Item, t *Target, err error) {
	var de *deliver.Error
	if !errors.As(err, &de) || de.Stops() || t == s.Targets.quarantine {
		s.Targets.stop(t, err)
		return
	}
	s.Ledger.Fail(it, t.ID, err, false)
}

// handOver gives the current batch to the commit goroutine; left messages come
// after it.
func (p *Pass) handOver(left int) {
	if p.cur != nil && len(p.cur.parts) > 0 {
		p.commit.batches <- p.cur
		p.limit = p.size(2*p.limit, left)
	}
	p.cur = nil
}

// offer gives the current batch to the commit goroutine if that waits for one.
func (p *Pass) offer() {
	select {
	case p.commit.batches <- p.cur:
		p.cur = nil
	default:
	}
}

// size is how many of the left messages the next batch takes.
func (p *Pass) size(usual, left int) int {
	if p.uploads {
		return p.most
	}
	return batchSize(usual, left, p.most)
}

// counter counts the bytes that were delivered.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
