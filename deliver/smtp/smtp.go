package smtp

import (
	"context"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

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

// Recover settles an intent left by a crash: nobody knows whether the relay
// took the message, so it is delivered again.
func Recover(context.Context, deliver.Intent) (deliver.Fate, error) {
	return deliver.Unknown, nil
}
