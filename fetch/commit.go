package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// DefaultGrace is how long the commit side may finish what it holds after a
// run was cancelled.
const DefaultGrace = 30 * time.Second

// committer is the commit side of one pass. It owns the state's write side
// while the pass lasts: one transaction a batch settles the last batch and
// records the intents of this one.
type committer struct {
	*run
	batches chan *batch
	done    chan struct{}
	cancel  context.CancelCauseFunc
	settle  []state.Settlement
	closing []*message       // complete once settle is applied
	aside   []*message       // set aside once settle is applied
	failed  map[*Target]bool // broke while a batch was committed
	atRisk  bool             // the last batch went where nobody can look
	err     error            // read after done
}

// startCommit starts the commit goroutine; finish ends it. It works with a
// context of its own, which ends a grace time after ctx.
func (r *run) startCommit(ctx context.Context, cancel context.CancelCauseFunc) *committer {
	c := &committer{
		run:     r,
		batches: make(chan *batch),
		done:    make(chan struct{}),
		cancel:  cancel,
		failed:  map[*Target]bool{},
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
	ctx, stop := graceful(ctx, c.f.grace())
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

// graceful returns a context that ends a grace time after its parent.
func graceful(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
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
	c.atRisk = slices.ContainsFunc(b.parts, (*part).limited)
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
			c.inSome(m.Key)
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
		if c.failed[p.target] {
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
	c.failed[t] = true
	c.breakTarget(t, err)
}

// inOrder sorts the parts of a batch. An mbox is locked from Prepare to the end
// of Publish: in one order for all accounts, so that two of them with the same
// two files do not wait for each other, and before a relay or a command, which
// may take its time.
func inOrder(a, b *part) int {
	return cmp.Or(cmp.Compare(b2i(a.limited()), b2i(b.limited())), cmp.Compare(a.target.ID, b.target.ID))
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
				At:          c.now(),
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
		Targets: c.targetIDs(),
		Settle:  c.settle,
		Intend:  intents,
		Fail:    c.takeFailures(),
	}
	if len(change.Settle)+len(change.Intend)+len(change.Fail) == 0 {
		return nil
	}
	fault.Point("commit.apply")
	if err := c.db.Apply(change); err != nil {
		return stateFailed(c.db, err)
	}
	fault.Point("commit.applied")
	c.settle = nil
	for _, m := range c.aside {
		c.setAside(m)
	}
	for _, m := range c.closing {
		c.settled(m)
	}
	c.aside, c.closing = nil, nil
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
		if res.Err == nil && p.status == state.SetAside {
			c.aside = append(c.aside, d.msg)
		}
	}
}

// note turns one result into a settlement or a failure.
func (c *committer) note(p *part, d delivery, in state.Intent, res deliver.Result) {
	if res.Err == nil {
		c.later.taken(p.target)
		c.settle = append(c.settle, state.Settlement{Intent: in.ID, Status: in.Status, Receipt: res.Receipt})
		d.msg.pending--
		d.msg.landed = true
		if in.Status != state.Delivered {
			d.msg.Delete = false // a duplicate of another message is not proven to be all of it
		}
		return
	}
	if errors.Is(res.Err, context.Canceled) {
		return // staged still: the next run's Recover finishes it
	}
	var de *deliver.Error
	known := errors.As(res.Err, &de)
	if !known || de.Stops() || p.target == c.a.SetAside {
		c.fail(p.target, res.Err)
	}
	if !known || p.target == c.a.SetAside {
		return
	}
	if de.Stops() && len(de.Done) == 0 {
		if de.Refused && p.limited() {
			c.settle = append(c.settle, state.Settlement{Intent: in.ID, Drop: true})
			c.triedLast(&d.msg.Item, in.Target, de)
		}
		return
	}
	// Also of a target that stopped: who has the message must be on record.
	c.settle = append(c.settle, state.Settlement{Intent: in.ID, Drop: true})
	c.failAt(&d.msg.Item, in.Target, res.Err, c.later.well[p.target])
	if row := c.later.add(p.target, &d.msg.Item, de); row != nil {
		c.fail(p.target, putOff(len(row), de))
		if !c.later.well[p.target] {
			c.pardon(row, in.Target)
		}
	}
}

// triedLast puts a message behind the others of the next run: its target
// stopped at it, and may do so at this one alone.
func (c *committer) triedLast(it *plan.Item, target string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails[it.Key] = append(c.fails[it.Key], uncounted(c.failures[it.Key], it.Key, target, unnamed(err).Error(), c.now()))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
