package commit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// DefaultGrace is how long the commit side may finish what it holds after a
// run was cancelled.
const DefaultGrace = 30 * time.Second

// Side is the commit side of one run.
type Side struct {
	// Account and Host are what the targets and the trace field are told.
	Account, Host string
	Policy        *plan.Policy
	Targets       *Targets
	DB            *state.DB
	Ledger        *ledger.Ledger
	Journal       *ledger.Journal
	// Batch is the most messages in one transaction. Zero: DefaultBatch.
	Batch int
	// BatchAge is how old a batch may grow. Zero: 5 s.
	BatchAge time.Duration
	// Grace is how long a cancelled run may finish what it holds.
	Grace time.Duration

	later postponed
}

// Limit is the most messages in one transaction.
func (s *Side) Limit() int { return s.Targets.Limit(cmp.Or(s.Batch, s.Targets.upload(), DefaultBatch)) }

// committer is the commit goroutine of one pass. It owns the state's write side
// while the pass lasts: one transaction a batch settles the last batch and
// records the intents of this one.
type committer struct {
	side    *Side
	batches chan *batch
	done    chan struct{}
	cancel  context.CancelCauseFunc
	settle  []state.Settlement
	closing []*message       // complete once settle is applied
	refused []*message       // in the quarantine once settle is applied
	copies  []state.Copy     // to be recorded with settle
	stopped map[*Target]bool // while a batch was committed
	atRisk  bool             // the last batch went where nobody can look
	err     error            // read after done
}

// start starts the commit goroutine; finish ends it. It works with a context of
// its own, which ends a grace time after ctx.
func (s *Side) start(ctx context.Context, cancel context.CancelCauseFunc) *committer {
	if s.later.rows == nil {
		s.later = postponed{rows: make(map[*Target][]*plan.Item), well: make(map[*Target]bool)}
	}
	c := &committer{
		side:    s,
		batches: make(chan *batch),
		done:    make(chan struct{}),
		cancel:  cancel,
		stopped: map[*Target]bool{},
	}
	go c.loop(ctx)
	return c
}

// finish waits until everything that was handed over is committed and settled.
func (c *committer) finish() error {
	close(c.batches)
	<-c.done
	return c.err
}

func (c *committer) loop(ctx context.Context) {
	defer close(c.done)
	ctx, stop := Graceful(ctx, c.side.Grace)
	defer stop()
	for b := c.next(); b != nil; b = c.next() {
		if c.err != nil {
			_ = b.abort()
			continue
		}
		c.keep(c.commit(ctx, b))
	}
	if c.err == nil {
		c.err = c.apply(nil)
	}
}

// keep ends the pass with an error, if it is one.
func (c *committer) keep(err error) {
	if err != nil {
		c.err = err
		c.cancel(err)
	}
}

// next waits for a batch; nil at the end. What a relay or a command has taken
// is settled first, unless the next batch is there and settles it: until then a
// crash delivers it again, and the next message may be large and its line slow.
func (c *committer) next() *batch {
	if c.atRisk && c.err == nil {
		select {
		case b := <-c.batches:
			return b
		default:
		}
		c.keep(c.apply(nil))
	}
	return <-c.batches
}

// Graceful returns a context that ends a grace time after its parent.
func Graceful(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		time.AfterFunc(grace, func() { cancel(fmt.Errorf("not done %s after the run was to stop", grace)) })
	})
	return ctx, func() { stop(); cancel(nil) }
}

// commit takes one batch through the second half of its life. Its error means
// that the state cannot be trusted to have recorded anything: the pass ends.
func (c *committer) commit(ctx context.Context, b *batch) error {
	intents := c.prepare(ctx, b)
	if err := c.apply(intents); err != nil {
		return err // law 6: the outcome is unknown, nothing is touched
	}
	next := 0
	c.atRisk = slices.ContainsFunc(b.parts, func(p *part) bool { return p.target.limited() })
	for _, p := range b.parts {
		if len(p.intents) == 0 {
			_ = p.batch.Abort() // refused or empty: nothing of it is on record
			continue
		}
		n := copy(p.intents, intents[next:]) // Apply has filled in the IDs
		next += n
		c.publish(ctx, p)
	}
	for _, m := range b.msgs {
		switch {
		case m.pending == 0:
			c.closing = append(c.closing, m)
		case m.landed || len(m.Have) > 0:
			c.side.Ledger.Partly(m.Key)
		}
	}
	return nil
}

// prepare makes every part durable and returns all intents, part after part.
// A part that fails is aborted and its target is out for this run.
func (c *committer) prepare(ctx context.Context, b *batch) (all []state.Intent) {
	slices.SortStableFunc(b.parts, inOrder)
	for _, p := range b.parts {
		// Broken by the batch before: this one may rest on it. One that broke
		// while it was staged, as by a full disk, still takes what was staged.
		if c.stopped[p.target] {
			_ = p.batch.Abort()
			continue
		}
		fault.Point("commit.prepare")
		intents, err := p.batch.Prepare(ctx)
		if err == nil && len(intents) != len(p.deliveries) {
			err = fmt.Errorf("the target promised %d deliveries for %d messages: a defect of mailhaul", len(intents), len(p.deliveries))
		}
		if err != nil {
			c.fail(p.target, err)
			_ = p.batch.Abort() // nothing is visible or recorded; leftovers are swept later
			continue
		}
		p.intents = c.intentsOf(p, intents)
		all = append(all, p.intents...)
	}
	return all
}

// fail takes a target out that broke while a batch was committed to it.
func (c *committer) fail(t *Target, err error) {
	c.stopped[t] = true
	c.side.Targets.stop(t, err)
}

// inOrder sorts the parts of a batch. An mbox is locked from Prepare to the end
// of Publish: in one order for all accounts, so that two of them with the same
// two files do not wait for each other, and before a relay or a command, which
// may take its time.
func inOrder(a, b *part) int {
	return cmp.Or(cmp.Compare(limits(a), limits(b)), cmp.Compare(a.target.ID, b.target.ID))
}

func limits(p *part) int {
	if p.target.limited() {
		return 1
	}
	return 0
}

// intentsOf joins what the deliverer promises with what we know of the message.
func (c *committer) intentsOf(p *part, intents []deliver.Intent) []state.Intent {
	out := make([]state.Intent, 0, len(intents))
	for i, d := range p.deliveries {
		status := p.status
		if intents[i].Skipped {
			status = state.Skipped
		}
		for _, id := range d.ids {
			out = append(out, state.Intent{
				Key:         d.msg.Key,
				Target:      id,
				Status:      status,
				Size:        d.msg.size,
				SHA256:      d.msg.sum,
				Content:     d.msg.content,
				Fingerprint: d.msg.print,
				At:          c.side.Journal.Now(),
				Kind:        intents[i].Kind,
				Data:        intents[i].Data,
				Receipt:     intents[i].Receipt,
			})
		}
	}
	return out
}

// apply records the intents and settles what the last batch left, in one
// transaction; afterwards the settled messages are seen.
func (c *committer) apply(intents []state.Intent) error {
	if fault.Mutated("no-intents") {
		for i := range intents {
			intents[i].Kind = "none"
		}
	}
	change := &state.Change{
		Targets: c.side.Targets.IDs(),
		Settle:  c.settle,
		Intend:  intents,
		Fail:    c.side.Ledger.TakeFailures(),
		Copies:  c.copies,
	}
	if len(change.Settle)+len(change.Intend)+len(change.Fail) == 0 {
		return nil
	}
	fault.Point("commit.apply")
	if err := c.side.DB.Apply(change); err != nil {
		return err
	}
	fault.Point("commit.applied")
	c.settle, c.copies = nil, nil
	for _, m := range c.refused {
		c.side.Ledger.Quarantine(&m.Item)
	}
	for _, m := range c.closing {
		c.side.Ledger.Settle(&m.Item, m.size)
	}
	c.refused, c.closing = nil, nil
	return nil
}

// publish makes one part visible and notes what to settle. A target that
// breaks here may have made something visible: its intents stay for Recover.
func (c *committer) publish(ctx context.Context, p *part) {
	fault.Point("commit.publish")
	results := p.batch.Publish(ctx)
	id := 0
	for i, d := range p.deliveries {
		res := deliver.Result{Err: &deliver.Error{Class: deliver.IOError, Err: errors.New("the target does not say what became of the message: a defect of mailhaul")}}
		if i < len(results) {
			res = results[i]
		}
		for range d.ids {
			c.note(p, d, p.intents[id], res)
			id++
		}
		if res.Err == nil && p.status == state.Quarantined {
			c.refused = append(c.refused, d.msg)
		}
	}
}

// note turns one result into a settlement or a failure.
func (c *committer) note(p *part, d delivery, in state.Intent, res deliver.Result) {
	if res.Err == nil {
		c.side.later.taken(p.target)
		c.settle = append(c.settle, state.Settlement{Intent: in.ID, Status: statusOf(in.Status, res.StandIn), Receipt: res.Receipt})
		d.msg.pending--
		d.msg.landed = true
		c.served(d.msg, in.Target, nil)
		if in.Status != state.Delivered || res.StandIn {
			d.msg.Delete = false // a duplicate of another message is not proven to be all of it
		}
		return
	}
	if errors.Is(res.Err, context.Canceled) {
		return // staged still: the next run's Recover finishes it
	}
	var de *deliver.Error
	known, first := errors.As(res.Err, &de), c.side.Targets.works(p.target)
	if known {
		c.served(d.msg, in.Target, de)
	}
	if !known || de.Stops() || p.target == c.side.Targets.quarantine {
		c.fail(p.target, res.Err)
	}
	if !known || p.target == c.side.Targets.quarantine {
		return
	}
	if de.Stops() && len(de.Done) == 0 {
		if row := c.side.later.rows[p.target]; len(row) > 1 && !c.side.later.well[p.target] {
			c.side.Ledger.Pardon(row, in.Target) // not one of them alone
			delete(c.side.later.rows, p.target)
		}
		if de.Refused {
			c.settle = append(c.settle, state.Settlement{Intent: in.ID, Drop: true})
			if first { // those behind it may pass without it
				c.side.Ledger.TriedLast(&d.msg.Item, in.Target, de)
			}
		}
		return
	}
	// Also of a target that stopped: who has the message must be on record.
	c.settle = append(c.settle, state.Settlement{Intent: in.ID, Drop: true})
	c.side.Ledger.Fail(&d.msg.Item, in.Target, res.Err, c.side.later.well[p.target])
	if row := c.side.later.add(p.target, &d.msg.Item, de); row != nil {
		c.fail(p.target, putOff(len(row), de))
		if !c.side.later.well[p.target] && !de.Undecided {
			c.side.Ledger.Pardon(row, in.Target)
		}
	}
}
