package imap

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
)

// batch is staged in one file. Nothing of it needs to be durable: until the server
// has a message, it is on the server it came from.
type batch struct {
	t      *Target
	staged content.Staged
	msgs   []*message
	id     string // see Claims
}

// message is a staged message, and what became of it.
type message struct {
	intent
	off  int64 // in the file
	date time.Time

	tried   bool     // it was sent, or begun
	done    bool     // it is in the mailbox
	anew    bool     // it is found.anew
	at      receipt  // where, if that is known
	doubt   bool     // the server may have it
	refused *refusal // its last answer
	grouped bool     // that was about several messages
	err     error    // the outcome, unless done
}

// Add stages one message, with CRLF line ends.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	b.staged.Dir, b.staged.Point = b.t.o.SpoolDir, "imap.stage"
	part, err := b.staged.Add(ctx, body, b.t.check)
	if temp, ok := errors.AsType[*deliver.TempError](err); ok {
		return b.t.o.failure(deliver.IOError, CauseOther, "", temp, 0)
	}
	if err != nil {
		return err
	}
	if part.Size == 0 { // RFC 3502 section 6.3.11: an empty literal cancels the command
		return b.t.o.failure(deliver.Never, Rejected, "", errors.New("the message is empty, which IMAP cannot carry"), 0)
	}
	m := &message{off: part.Off, date: e.Date}
	m.intent = intent{Mailbox: b.t.o.Mailbox, Mark: content.MarkOf(&part, normalID(e.MessageID), e.Date.Unix())}
	b.msgs = append(b.msgs, m)
	return nil
}

// normalID squeezes the blanks that folding leaves.
func normalID(id string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(id, "?")), " ")
}

// check refuses what no literal holds (RFC 9051 section 4.3), or the server does not take.
func (t *Target) check(chunk []byte, size int64) error {
	limit := t.limit()
	switch {
	case bytes.IndexByte(chunk, 0) >= 0:
		return t.o.failure(deliver.Never, Binary, "", errors.New("the message holds a NUL byte, which IMAP cannot carry"), 0)
	case size > limit:
		return t.o.failure(deliver.Never, TooBig, "", &SizeError{limit}, 0)
	}
	return nil
}

// Prepare asks the server for the mailbox's state, unless it is known, and returns
// the intents.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if len(b.msgs) == 0 {
		return nil, nil
	}
	validity, next, err := b.t.position(ctx)
	if err != nil {
		return nil, err
	}
	marks := make([]*content.Mark, len(b.msgs))
	for i, m := range b.msgs {
		marks[i] = &m.Mark
	}
	content.Number(marks)
	b.id = rand.Text()
	out := make([]deliver.Intent, len(b.msgs))
	for i, m := range b.msgs {
		m.Validity, m.Next, m.Batch, m.At = validity, next, b.id, time.Now()
		out[i] = m.intent.encode()
	}
	return out, nil
}

// Publish uploads the messages.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	defer b.Abort() //nolint:errcheck // an unlinked file: nothing depends on its end
	if len(b.msgs) > 0 {
		since := b.t.o.Claims.size()
		b.t.publish(ctx, b)
		b.t.claim(b, since)
	}
	out := make([]deliver.Result, len(b.msgs))
	for i, m := range b.msgs {
		switch {
		case !m.done:
			out[i].Err = m.err
		case m.at.uid != 0:
			out[i].Receipt, out[i].StandIn = m.at.of(&m.intent).String(), m.anew
		}
	}
	return out
}

// Abort drops what was added. Idempotent.
func (b *batch) Abort() error { return b.staged.Close() }
