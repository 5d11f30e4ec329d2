package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// batch is staged in one file that has no name, where the system allows that: a
// killed process leaves nothing. Nothing of it needs to be durable: until the server
// has a message, it is on the server it came from.
type batch struct {
	t    *Target
	file *os.File
	path string // set while the file has a name (Windows)
	size int64  // octets of complete messages
	msgs []*message
	work *stager
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
	if err := b.openFile(); err != nil {
		return b.t.o.failure(deliver.IOError, CauseOther, "", &deliver.TempError{Err: err}, 0)
	}
	if b.work == nil {
		b.work = &stager{b: b, sum: newSummer(), chunk: make([]byte, bufferSize)}
	}
	w := b.work
	w.off, w.buf = b.size, w.buf[:0]
	w.sum.reset()
	if err := w.copy(ctx, body); err != nil {
		return err
	}
	if w.off == b.size { // RFC 3502 section 6.3.11: an empty literal cancels the command
		return b.t.o.failure(deliver.Never, Rejected, "", errors.New("the message is empty, which IMAP cannot carry"), 0)
	}
	m := &message{off: b.size, date: e.Date}
	s := w.sum.sums()
	m.intent = intent{Mailbox: b.t.o.Mailbox, ID: normalID(e.MessageID), Size: w.off - b.size, Date: e.Date.Unix(),
		Exact: s.exact[:], Loose: s.loose[:]}
	b.msgs = append(b.msgs, m)
	b.size = w.off
	return nil
}

// normalID squeezes the blanks that folding leaves.
func normalID(id string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(id, "?")), " ")
}

func (b *batch) openFile() (err error) {
	if b.file != nil {
		return nil
	}
	if b.file, err = os.CreateTemp(b.t.o.SpoolDir, "mailhaul-imap-*"); err != nil {
		b.file = nil
		return err
	}
	if os.Remove(b.file.Name()) != nil { // Windows removes no open file
		b.path = b.file.Name()
	}
	return nil
}

// stager writes one message after the other into the file.
type stager struct {
	b          *batch
	off        int64 // where buf goes
	buf, chunk []byte
	sum        *summer
}

func (w *stager) copy(ctx context.Context, body io.Reader) error {
	limit := w.b.t.limit()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := body.Read(w.chunk)
		w.add(w.chunk[:n])
		switch size := w.off + int64(len(w.buf)) - w.b.size; {
		case bytes.IndexByte(w.chunk[:n], 0) >= 0: // RFC 9051 section 4.3: no literal holds it
			return w.b.t.o.failure(deliver.Never, Binary, "", errors.New("the message holds a NUL byte, which IMAP cannot carry"), 0)
		case size > limit:
			return w.b.t.o.failure(deliver.Never, TooBig, "", &SizeError{limit}, 0)
		}
		if len(w.buf) >= bufferSize || errors.Is(err, io.EOF) {
			if werr := w.flush(); werr != nil {
				return w.b.t.o.failure(deliver.IOError, CauseOther, "", &deliver.TempError{Err: werr}, 0)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// add appends p with CRLF line ends.
func (w *stager) add(p []byte) {
	w.sum.delivered(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.buf = append(w.buf, p...)
			return
		}
		w.buf = append(append(w.buf, p[:i]...), '\r', '\n')
		p = p[i+1:]
	}
}

func (w *stager) flush() error {
	if err := fault.Error("imap.stage"); err != nil {
		return err
	}
	n, err := w.b.file.WriteAt(w.buf, w.off)
	w.off += int64(n)
	w.buf = w.buf[:0]
	return err
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
	b.number()
	out := make([]deliver.Intent, len(b.msgs))
	for i, m := range b.msgs {
		m.Validity, m.Next, m.At = validity, next, time.Now()
		out[i] = m.intent.encode()
	}
	return out, nil
}

// number tells equal messages apart.
func (b *batch) number() {
	type header struct {
		id   string
		date int64
	}
	equal, same := make(map[string]int), make(map[header]int)
	for _, m := range b.msgs {
		m.Nth = equal[string(m.Loose)]
		equal[string(m.Loose)]++
		same[header{m.ID, m.Date}]++
	}
	for _, m := range b.msgs {
		m.Alone = m.ID != "" && same[header{m.ID, m.Date}] == 1
	}
}

// Publish uploads the messages.
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
		case m.at.uid != 0:
			out[i].Receipt, out[i].StandIn = m.at.of(&m.intent).String(), m.anew
		}
	}
	return out
}

// Abort drops what was added. Idempotent.
func (b *batch) Abort() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	if b.path != "" {
		err = errors.Join(err, os.Remove(b.path))
	}
	b.file = nil
	return err
}
