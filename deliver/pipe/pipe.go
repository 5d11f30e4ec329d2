package pipe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// Deliverer delivers to one command. It implements deliver.Deliverer and
// deliver.BatchLimiter.
type Deliverer struct {
	o    Options
	pool spool.Pool
	// took: the command has taken a message, so that it works as configured.
	took atomic.Bool
}

// New returns a Deliverer for the command of o, which must have at least one
// word. The command is looked for by Begin.
func New(o Options) *Deliverer {
	return &Deliverer{o: o.withDefaults(), pool: spool.NewPool()}
}

// MaxBatch is 1: what a command has done cannot be looked up.
func (d *Deliverer) MaxBatch() int { return 1 }

// Begin opens a batch. It looks for the command, so that a missing one is
// noticed before a message is retrieved for it.
func (d *Deliverer) Begin(context.Context) (deliver.Batch, error) {
	if len(d.o.Command) == 0 {
		return nil, &deliver.Error{Class: deliver.CannotCreate, Err: &StartError{errors.New("pipe: no command")}}
	}
	path, err := exec.LookPath(d.o.Command[0])
	if err == nil {
		path, err = filepath.Abs(path) // Options.Dir must not move it
	}
	if err != nil {
		return nil, d.startError(err)
	}
	return &batch{d: d, path: path}, nil
}

// Close does nothing: no command outlives Publish. Idempotent.
func (d *Deliverer) Close() error { return nil }

// Recover settles an intent left by a crash: nobody knows what the command
// has done, so the message is delivered again.
func Recover(context.Context, deliver.Intent) (deliver.Fate, error) {
	return deliver.Unknown, nil
}

// batch is usually one message. Nothing of it needs to be durable: until the
// command has ended well the message is on the server it came from, and an
// intent that a crash leaves means "deliver again" (Recover).
type batch struct {
	d    *Deliverer
	path string
	msgs []staged
}

type staged struct {
	env deliver.Envelope
	msg *staging
}

// Add stages one message in an unlinked file.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	m := staged{env: e}
	m.env.Recipients = slices.Clone(e.Recipients)
	m.msg = &staging{Spool: spool.Spool{Dir: b.d.o.SpoolDir, Pool: b.d.pool}, crlf: b.d.o.LineEnds == CRLF}
	if err := m.msg.fill(ctx, body); err != nil {
		_ = m.msg.Discard()
		return err
	}
	b.msgs = append(b.msgs, m)
	return nil
}

// Prepare returns the intents.
func (b *batch) Prepare(context.Context) ([]deliver.Intent, error) {
	out := make([]deliver.Intent, len(b.msgs))
	for i := range out {
		out[i] = deliver.Intent{Kind: Kind, Data: []byte(b.path)}
	}
	return out, nil
}

// Publish runs the command for each message.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	defer b.Abort() //nolint:errcheck // unlinked files: nothing depends on their end
	return spool.Publish(ctx, len(b.msgs), func(err error) error { return b.d.failure(deliver.Later, err) },
		func(i int) deliver.Result { return deliver.Result{Err: b.d.run(ctx, b.path, &b.msgs[i])} })
}

// Abort drops what was added. Idempotent.
func (b *batch) Abort() error {
	var errs []error
	for i := range b.msgs {
		errs = append(errs, b.msgs[i].msg.Discard())
	}
	b.msgs = nil
	return errors.Join(errs...)
}

// staging is one message with the line ends that the command wants. It is staged
// whole: a command must not be started for a message that the server fails to
// send to its end.
type staging struct {
	spool.Spool
	crlf bool
}

// fill stages body to its end, in a file.
func (s *staging) fill(ctx context.Context, body io.Reader) error {
	if err := s.Fill(ctx, body, s.put); err != nil {
		return err
	}
	if _, _, err := s.File(); err != nil {
		return &deliver.Error{Class: deliver.IOError, Err: &deliver.TempError{Err: err}}
	}
	return nil
}

func (s *staging) put(p []byte) {
	for s.crlf && len(p) > 0 {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		s.Tail = append(s.Tail, line...)
		if found {
			s.Tail = append(s.Tail, '\r', '\n')
		}
		p = rest
	}
	s.Tail = append(s.Tail, p...)
}
