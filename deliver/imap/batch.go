package imap

import (
	"bytes"
	"context"
	"errors"
	"strings"
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
	date    time.Time
	tried   bool   // it was sent, or begun
	grouped bool   // its last refusal was about several messages
	place   copyAt // where it is, if that is known
}

// copyAt is a message of the mailbox; a UID of 0: it is not known.
type copyAt struct{ validity, uid uint32 }

// refused is the server's last answer, if that was a refusal.
func (m *message) refused() *refusal {
	no, _ := m.Refusal.(*refusal) //nolint:errorlint // nothing wraps it
	return no
}

// arrived notes where a message is.
func (m *message) arrived(at copyAt) {
	m.Done, m.Doubt, m.place = true, false, at
	if at.uid != 0 {
		m.Receipt = m.receipt(at)
	}
}

// protocol is how a batch reaches the mailbox.
func (t *Target) protocol() remote.Protocol[*message] {
	return remote.Protocol[*message]{
		Check: t.check,
		New: func(e deliver.Envelope, p content.Part) *message {
			return &message{date: e.Date, intent: intent{Mailbox: t.o.Mailbox, Mark: remote.MarkOf(&p, normalID(e.MessageID), e.Date.Unix())}}
		},
		Failure:  remote.Unstaged(t.o.name(), Rejected),
		Position: t.position,
		Publish: func(ctx context.Context, b *batch) {
			t.publish(ctx, b)
			t.claim(b)
		},
	}
}

// normalID squeezes the blanks that folding leaves.
func normalID(id string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(id, "?")), " ")
}

// check refuses what no literal holds (RFC 9051 section 4.3), or the server does not take.
func (t *Target) check(chunk []byte, size int64) error {
	limit := t.most.Load()
	switch {
	case bytes.IndexByte(chunk, 0) >= 0:
		return t.o.failure(deliver.Never, Binary, "", errors.New("the message holds a NUL byte, which IMAP cannot carry"))
	case limit > 0 && size > limit:
		return t.o.failure(deliver.Never, TooBig, "", &remote.SizeError{Limit: limit})
	}
	return nil
}

// position notes UIDVALIDITY and a lower bound of the next UID.
func (t *Target) position(ctx context.Context, msgs []*message) error {
	validity, next, err := t.next(ctx)
	for _, m := range msgs {
		m.Validity, m.Next = validity, next
	}
	return err
}
