package smtp

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/deliver"
)

// Probe implements deliver.Prober: it offers the relay a message for the configured
// recipients and takes the offer back (RFC 5321 section 4.1.1.5).
func (d *Deliverer) Probe(ctx context.Context) error {
	if _, err := d.Begin(ctx); err != nil || len(d.o.To) == 0 { // without: each message has its own
		return err
	}
	c := <-d.slot
	defer func() { d.slot <- c }()
	defer context.AfterFunc(ctx, c.cancel)()
	t := newTransaction(&staged{to: recipients(&deliver.Envelope{}, d.o.To), fixed: true, msg: new(wire)})
	t.conn, t.from, t.last = c, d.o.From, step{phase: phaseHello, line: "RSET"}
	if todo := t.check(); len(todo) > 0 {
		if _, err := t.envelope(todo); err != nil {
			t.fail(todo, err)
		}
	}
	return t.refusals()
}

// refusals are the errors of all recipients, each text once. What the relay has
// against our sender may not hold for those of messages.
func (t *transaction) refusals() error {
	var errs []error
	told := make(map[string]bool)
	for _, o := range t.out {
		if o.err == nil || told[o.err.Error()] {
			continue
		}
		told[o.err.Error()] = true
		e := *o.err
		if cause, ok := errors.AsType[*Error](e.Err); ok && cause.Cause == SenderRefused {
			e.Class = deliver.Later
		}
		errs = append(errs, &e)
	}
	return errors.Join(errs...)
}
