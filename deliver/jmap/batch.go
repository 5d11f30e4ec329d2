package jmap

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
)

// batch is staged in one file. Nothing of it needs to be durable: until the server has
// a message, it is on the server it came from.
type batch struct {
	t      *Target
	staged content.Staged
	msgs   []*message
}

// message is a staged message, and what became of it.
type message struct {
	intent
	part content.Part
	date time.Time

	blob    string   // where it was uploaded; empty: not yet
	done    bool     // it is in the mailbox
	anew    bool     // it is found.anew
	email   string   // its id, if that is known
	doubt   bool     // the server may have it
	refused *refusal // its last answer
	err     error    // the outcome, unless done
}

// Add stages one message, with CRLF line ends.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	b.staged.Dir, b.staged.Point = b.t.o.SpoolDir, "jmap.stage"
	part, err := b.staged.Add(ctx, body, b.t.check)
	if temp, ok := errors.AsType[*deliver.TempError](err); ok {
		return b.t.o.failure(deliver.IOError, CauseOther, "", temp)
	}
	if err != nil {
		return err
	}
	if part.Size == 0 { // it cannot be imported: an Email has a header (RFC 8621 section 4.8)
		return b.t.o.failure(deliver.Never, Rejected, "", errors.New("the message is empty"))
	}
	m := &message{part: part, date: e.Date.UTC().Truncate(time.Second)}
	m.intent = intent{Mailbox: b.t.o.Mailbox, Mark: content.MarkOf(&part, normalID(e.MessageID), e.Date.Unix())}
	b.msgs = append(b.msgs, m)
	return nil
}

// check refuses what the server does not take.
func (t *Target) check(_ []byte, size int64) error {
	if most := t.most.Load(); most > 0 && size > most {
		return t.o.failure(deliver.Never, TooBig, "", &SizeError{most})
	}
	return nil
}

// Prepare asks the server for its state, unless it is known, and returns the intents.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if len(b.msgs) == 0 {
		return nil, nil
	}
	state, err := b.t.position(ctx)
	if err != nil {
		return nil, err
	}
	marks := make([]*content.Mark, len(b.msgs))
	for i, m := range b.msgs {
		marks[i] = &m.Mark
	}
	content.Number(marks)
	out := make([]deliver.Intent, len(b.msgs))
	for i, m := range b.msgs {
		m.State, m.At = state, time.Now()
		out[i] = m.intent.encode()
	}
	return out, nil
}

// Publish uploads and imports the messages.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	defer b.Abort() //nolint:errcheck // an unlinked file: nothing depends on its end
	if len(b.msgs) > 0 {
		b.t.publish(ctx, b)
	}
	out := make([]deliver.Result, len(b.msgs))
	for i, m := range b.msgs {
		switch {
		case !m.done:
			out[i].Err = m.err
		case m.email != "":
			out[i].Receipt, out[i].StandIn = receipt{email: m.email}.of(&m.intent).String(), m.anew
		}
	}
	return out
}

// Abort drops what was added. Idempotent.
func (b *batch) Abort() error { return b.staged.Close() }
