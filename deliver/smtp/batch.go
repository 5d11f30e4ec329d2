package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// maxReceipt is what deliver.Result allows.
const maxReceipt = 255

type batch struct {
	spool.Batch
	d *Deliverer
}

type staged struct {
	env   deliver.Envelope
	to    []string
	fixed bool // to is the configured one
	msg   *wire
}

// Add stages one message in memory or, over 256 KiB, in an unlinked file.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	to := recipients(&e, b.d.o.To)
	if len(to) == 0 && len(e.Served) == 0 {
		return b.d.o.failure(deliver.Later, "", errors.New("no recipient for this message"), NoRecipient)
	}
	m := &staged{env: e, to: to, fixed: e.Recipients == nil}
	m.env.Recipients, m.env.Served = nil, slices.Clone(e.Served)
	m.msg = &wire{Spool: spool.Spool{Pool: b.d.pool}}
	return b.Stage(&m.msg.Spool, func() error { return m.msg.fill(ctx, body) },
		func(ctx context.Context) deliver.Result { return b.d.send(ctx, m) })
}

// send delivers one message over the kept connection, or over a new one if
// the relay has closed that meanwhile.
func (d *Deliverer) send(ctx context.Context, m *staged) deliver.Result {
	m.to = m.env.Rest(m.to)
	if len(m.to) == 0 {
		return deliver.Result{Receipt: "delivered before"}
	}
	c := <-d.slot
	defer func() { d.slot <- c }()
	t := newTransaction(m)
	for again := true; again; {
		old := c
		var err *deliver.Error
		if c, err = d.ensure(ctx, c); err != nil {
			return failed(err, m, t)
		}
		stop := context.AfterFunc(ctx, c.cancel)
		t.conn, t.kept = c, c == old
		again = t.run()
		if !stop() {
			c.dead = true // its deadline is spoilt
		}
	}
	if c != nil && c.dead {
		c.quit()
		c = nil
	}
	return conclude(m.env.Served, m.to, t.out)
}

// failed is the result without a connection. What the relay said before
// counts.
func failed(err *deliver.Error, m *staged, t *transaction) deliver.Result {
	if t.tried {
		t.fail(t.todo, err)
		return conclude(m.env.Served, m.to, t.out)
	}
	err.Done = m.env.Served
	return deliver.Result{Err: err}
}

// conclude makes one result of the outcomes of a message's recipients. What
// failed for a time outweighs what failed for good: the retry settles both. A
// relay that has just taken the message for somebody is no relay that takes
// nothing, whatever it replies for the others.
func conclude(served, to []string, out []outcome) deliver.Result {
	done := slices.Clone(served)
	var worst *deliver.Error
	text, failures, mailboxes, refused := "", 0, true, true
	for i, o := range out {
		if o.taken {
			done = append(done, to[i])
			text = o.text
			continue
		}
		failures++
		mailboxes = mailboxes && o.mailbox
		refused = refused && o.err.Refused
		if worst == nil || weight(o.err.Class) > weight(worst.Class) {
			worst = o.err
		}
	}
	if worst == nil {
		return deliver.Result{Receipt: text[:min(len(text), maxReceipt)]}
	}
	e := *worst
	e.Done, e.Refused = done, refused
	if mailboxes && e.Stops() && len(done) > len(served) {
		e.Class = deliver.Later
	}
	if n := len(to) + len(served); n > 1 {
		e.Err = fmt.Errorf("%w (%d of %d recipients)", e.Err, failures, n)
	}
	return deliver.Result{Err: &e}
}

// weight orders the classes by which one decides for a message.
func weight(c deliver.Class) int {
	switch c {
	case deliver.Never:
		return 0
	case deliver.Later:
		return 1
	case deliver.Failed:
		return 2
	}
	return 3
}

// Deliverer delivers to one relay. It implements deliver.Deliverer and
// deliver.BatchLimiter.
type Deliverer struct {
	o Options
	// slot holds the connection, nil if there is none, while nobody uses it.
	slot chan *conn
	pool spool.Pool
}

// New returns a Deliverer for the relay of o. It does not connect: Begin does.
func New(o Options) *Deliverer {
	d := &Deliverer{o: o.withDefaults(), slot: make(chan *conn, 1), pool: spool.NewPool()}
	d.slot <- nil
	return d
}

// MaxBatch is 1: a message whose reply is lost cannot be looked up.
func (d *Deliverer) MaxBatch() int { return 1 }

// Begin opens a batch, and the connection if there is none, so that a relay
// that is down is noticed before a message is retrieved for it.
func (d *Deliverer) Begin(ctx context.Context) (deliver.Batch, error) {
	select {
	case c := <-d.slot:
		c, err := d.ensure(ctx, c)
		d.slot <- c
		if err != nil {
			return nil, err
		}
	default: // the last batch is being published: there is one
	}
	return &batch{d: d, Batch: spool.Batch{
		Intent:  deliver.Intent{Kind: Kind, Data: []byte(d.o.name())},
		Refused: func(err error) error { return d.o.failure(deliver.Later, "", err, CauseOther) },
	}}, nil
}

// ensure returns c if it can be used, else a new connection.
func (d *Deliverer) ensure(ctx context.Context, c *conn) (*conn, *deliver.Error) {
	if c != nil && !c.dead && !c.interrupted() {
		return c, nil
	}
	if c != nil {
		c.quit()
	}
	return connect(ctx, &d.o)
}

// Close says QUIT and closes the connection. Idempotent.
func (d *Deliverer) Close() error {
	c := <-d.slot
	if c != nil {
		c.quit()
	}
	d.slot <- nil
	return nil
}
