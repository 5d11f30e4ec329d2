package spool

import (
	"context"
	"errors"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
)

// Batch is a deliver.Batch but for Add: usually one message, to be sent. Nothing of
// it needs to be durable: until a message is sent it is on the server it came from,
// and an intent that a crash leaves means "deliver again".
type Batch struct {
	// Intent is that of each message.
	Intent deliver.Intent
	// Refused makes an outcome of the end of the context of Publish.
	Refused func(error) error

	msgs []message
}

type message struct {
	spool *Spool
	send  func(context.Context) deliver.Result
}

// Stage adds the message that fill puts into s, for send to send it.
func (b *Batch) Stage(s *Spool, fill func() error, send func(context.Context) deliver.Result) error {
	if err := fill(); err != nil {
		_ = s.Discard()
		return err
	}
	b.msgs = append(b.msgs, message{s, send})
	return nil
}

// Prepare returns the intents.
func (b *Batch) Prepare(context.Context) ([]deliver.Intent, error) {
	return slices.Repeat([]deliver.Intent{b.Intent}, len(b.msgs)), nil
}

// Publish sends the messages, one after the other. After an error that stops the
// target the others are not sent and get the same error.
func (b *Batch) Publish(ctx context.Context) []deliver.Result {
	defer b.Abort() //nolint:errcheck // unlinked files: nothing depends on their end
	out := make([]deliver.Result, len(b.msgs))
	var stop error
	for i := range out {
		switch {
		case stop != nil:
			out[i].Err = stop
		case ctx.Err() != nil:
			out[i].Err = b.Refused(ctx.Err())
		default:
			out[i] = b.msgs[i].send(ctx)
		}
		if derr, ok := errors.AsType[*deliver.Error](out[i].Err); ok && derr.Stops() {
			stop = &deliver.Error{Class: derr.Class, Err: derr.Err}
		}
	}
	return out
}

// Abort drops what was added. Idempotent.
func (b *Batch) Abort() error {
	var errs []error
	for _, m := range b.msgs {
		errs = append(errs, m.spool.Discard())
	}
	b.msgs = nil
	return errors.Join(errs...)
}
