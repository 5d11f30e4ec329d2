package gmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
)

// batch is staged in one file that has no name.
type batch struct {
	t      *Target
	staged content.Staged
	msgs   []*message
}

// message is a staged message, and what became of it.
type message struct {
	intent
	part content.Part

	done  bool   // it is in the mailbox
	maybe bool   // an upload in several requests may be complete
	id    string // Gmail's
	trash bool   // it lies in the trash
	err   error  // the outcome, unless done
}

// SizeError says that a message is larger than Gmail takes by this method.
type SizeError struct {
	Limit  int64
	Method string
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the message is larger than the %d MiB that messages.%s takes", e.Limit>>20, e.Method)
}

// Add stages one message, with CRLF line ends.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	a, limit := b.t.api, b.t.o.limit()
	part, err := b.staged.Add(ctx, body, func(_ []byte, size int64) error {
		if size > limit {
			return a.failure(verdict{class: deliver.Never, cause: TooBig}, "", &SizeError{limit, b.t.o.method()})
		}
		return nil
	})
	if errors.As(err, new(*deliver.TempError)) {
		return a.failure(verdict{class: deliver.IOError}, "", err)
	}
	if err != nil {
		return err
	}
	if part.Size == 0 {
		return a.failure(verdict{class: deliver.Never, cause: Rejected}, "", errors.New("the message is empty"))
	}
	b.msgs = append(b.msgs, &message{part: part, intent: intent{Mark: content.MarkOf(&part, searchable(e.MessageID), dateOf(b.staged.Open(part)))}})
	return nil
}

// maxHeader is how much of a message is read for its date.
const maxHeader = 64 << 10

// dateOf is what Gmail takes for the date of a message, in seconds; 0: nothing.
func dateOf(r io.Reader) int64 {
	m, err := mail.ReadMessage(io.LimitReader(r, maxHeader))
	if err != nil {
		return 0
	}
	at, err := m.Header.Date()
	if err != nil || at.Unix() < 0 {
		return 0
	}
	return at.Unix()
}

// Prepare notes how far the history of the mailbox is, and returns the intents.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if len(b.msgs) == 0 {
		return nil, nil
	}
	now, err := b.t.api.profile(ctx)
	if own, ok := errors.AsType[*Error](err); ok && own.Status/100 == 4 && !passing(err) && own.Cause != LoginRefused {
		err = nil // the search has to do
	}
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
		m.History, m.At = now.History.String(), time.Now()
		out[i] = m.intent.encode()
	}
	return out, nil
}

// Publish uploads the messages.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	b.t.publish(ctx, b)
	out := make([]deliver.Result, len(b.msgs))
	for i, m := range b.msgs {
		if out[i].Err = m.err; m.done {
			out[i] = deliver.Result{Receipt: receipt{m.id, m.Size, m.Sums().LooseText(), m.ID}.String(), StandIn: m.trash}
		}
	}
	_ = b.Abort()
	return out
}

// Abort drops what was staged. Idempotent.
func (b *batch) Abort() error { return b.staged.Close() }
