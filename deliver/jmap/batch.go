package jmap

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

type batch = remote.Batch[*message]

// message is a staged message, and what became of it.
type message struct {
	intent
	remote.State
	date  time.Time
	blob  string // where it was uploaded; empty: not yet
	email string // its id, if it is in the mailbox and that is known
}

// refused is the server's last answer, if that was a refusal.
func (m *message) refused() *refusal {
	no, _ := m.Refusal.(*refusal) //nolint:errorlint // nothing wraps it
	return no
}

// arrived notes where a message is.
func (m *message) arrived(email string) {
	m.Done, m.email = true, email
	if email != "" {
		m.Receipt = m.Mark.Receipt(m.place(email))
	}
}

// protocol is how a batch reaches the mailbox.
func (t *Target) protocol() remote.Protocol[*message] {
	return remote.Protocol[*message]{
		Check: func(_ []byte, size int64) error {
			if most := t.most.Load(); most > 0 && size > most {
				return t.o.failure(deliver.Never, TooBig, "", &remote.SizeError{Limit: most})
			}
			return nil
		},
		New: func(e deliver.Envelope, p content.Part) *message {
			mark := remote.MarkOf(&p, normalID(e.MessageID), e.Date.Unix())
			return &message{date: e.Date.UTC().Truncate(time.Second), intent: intent{Mailbox: t.o.Mailbox, Mark: mark}}
		},
		Failure: remote.Unstaged(t.o.Name, Rejected),
		Position: func(ctx context.Context, msgs []*message) error {
			state, err := t.position(ctx)
			for _, m := range msgs {
				m.Since = state
			}
			return err
		},
		Publish: t.publish,
	}
}
