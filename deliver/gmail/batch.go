package gmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

type batch = remote.Batch[*message]

// message is a staged message, and what became of it.
type message struct {
	intent
	remote.State
	id    string // Gmail's, if it is in the mailbox
	maybe bool   // an upload in several requests may be complete
}

// arrived notes where a message is.
func (m *message) arrived(id string) { m.Done, m.id, m.Receipt = true, id, m.Mark.Receipt(m.place(id)) }

// SizeError says that a message is larger than Gmail takes by this method.
type SizeError struct {
	Limit  int64
	Method string
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the message is larger than the %d MiB that messages.%s takes", e.Limit>>20, e.Method)
}

// open opens a batch.
func (t *Target) open() *batch {
	b := &batch{Staged: content.Staged{Dir: t.o.SpoolDir, Point: "gmail.stage"}}
	b.P = remote.Protocol[*message]{
		Check: func(_ []byte, size int64) error {
			if limit := t.o.limit(); size > limit {
				return t.api.failure(verdict{Class: deliver.Never, Cause: TooBig}, "", &SizeError{limit, t.o.method()})
			}
			return nil
		},
		New: func(e deliver.Envelope, p content.Part) *message {
			return &message{intent: intent{Mark: remote.MarkOf(&p, searchable(e.MessageID), dateOf(b.Staged.Open(p)))}}
		},
		Failure:  remote.Unstaged("gmail "+t.o.Web.Name, Rejected),
		Position: t.position,
		Publish:  t.publish,
	}
	return b
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

// position notes how far the history of the mailbox is.
func (t *Target) position(ctx context.Context, msgs []*message) error {
	now, err := t.api.profile(ctx)
	if own, ok := errors.AsType[*Error](err); ok && own.Status/100 == 4 && !passing(err) && own.Cause != LoginRefused {
		err = nil // the search has to do
	}
	for _, m := range msgs {
		m.History = now.History.String()
	}
	return err
}
