package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
)

// Message is a message of a batch: a pointer to a protocol's type, which embeds a Mark
// and a State.
type Message interface {
	mark() *Mark
	state() *State
	// Intent is the intent to deliver it.
	Intent() deliver.Intent
}

// State is what becomes of a message.
type State struct {
	Part content.Part
	// Done: it is in the mailbox. StandIn: of the content there nothing is known.
	Done, StandIn bool
	// Doubt: the server may have it. Refusal is its last answer, unless it took it.
	Doubt   bool
	Refusal error
	// Receipt is where it is; empty: that of the intent holds.
	Receipt string
	// Err is the outcome, unless Done.
	Err error
}

func (s *State) state() *State { return s }

// Open reports whether a message has no outcome yet.
func (s *State) Open() bool { return !s.Done && s.Err == nil }

// Protocol is a protocol's side of a batch.
type Protocol[M Message] struct {
	// Check refuses what the server does not take, see content.Staged.Add.
	Check func(chunk []byte, size int64) error
	// New makes a message of what was staged.
	New func(deliver.Envelope, content.Part) M
	// Failure is an error of the temporary file (deliver.IOError), or of a message that
	// no server takes (deliver.Never).
	Failure func(deliver.Class, error) *deliver.Error
	// Position notes in the messages how far the mailbox is.
	Position func(context.Context, []M) error
	// Publish delivers the messages: each then has its outcome.
	Publish func(context.Context, *Batch[M])
}

// Batch is staged in one file. Nothing of it needs to be durable: until the server has a
// message, it is on the server that it came from. It implements deliver.Batch.
type Batch[M Message] struct {
	P      Protocol[M]
	Staged content.Staged
	Msgs   []M
}

// Add stages one message, with CRLF line ends.
func (b *Batch[M]) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	part, err := b.Staged.Add(ctx, body, b.P.Check)
	switch {
	case errors.As(err, new(*deliver.TempError)):
		return b.P.Failure(deliver.IOError, err)
	case err != nil:
		return err
	case part.Size == 0: // IMAP cancels such a command (RFC 3502 section 6.3.11); Emails have a header (RFC 8621 section 4.8)
		return b.P.Failure(deliver.Never, errors.New("the message is empty"))
	}
	m := b.P.New(e, part)
	m.state().Part = part
	b.Msgs = append(b.Msgs, m)
	return nil
}

// Prepare asks the server how far the mailbox is, and returns the intents.
func (b *Batch[M]) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if len(b.Msgs) == 0 {
		return nil, nil
	}
	if err := b.P.Position(ctx, b.Msgs); err != nil {
		return nil, err
	}
	Number(b.Msgs)
	out, id := make([]deliver.Intent, len(b.Msgs)), rand.Text()
	for i, m := range b.Msgs {
		m.mark().At, m.mark().Batch = time.Now(), id
		out[i] = m.Intent()
	}
	return out, nil
}

// Publish delivers the messages.
func (b *Batch[M]) Publish(ctx context.Context) []deliver.Result {
	defer b.Abort() //nolint:errcheck // an unlinked file: nothing depends on its end
	if len(b.Msgs) > 0 {
		b.P.Publish(ctx, b)
	}
	out := make([]deliver.Result, len(b.Msgs))
	for i, m := range b.Msgs {
		if s := m.state(); s.Done {
			out[i] = deliver.Result{Receipt: s.Receipt, StandIn: s.StandIn}
		} else {
			out[i].Err = s.Err
		}
	}
	return out
}

// Abort drops what was added. Idempotent.
func (b *Batch[M]) Abort() error { return b.Staged.Close() }
