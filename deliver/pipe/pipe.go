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
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, d.startError(err)
	}
	return &batch{d: d, path: path, Batch: spool.Batch{
		Intent:  deliver.Intent{Kind: Kind, Data: []byte(path)},
		Refused: func(err error) error { return d.failure(deliver.Later, err) },
	}}, nil
}

// Close does nothing: no command outlives Publish. Idempotent.
func (d *Deliverer) Close() error { return nil }

// Recover settles an intent left by a crash: nobody knows what the command
// has done, so the message is delivered again.
func Recover(context.Context, deliver.Intent) (deliver.Fate, error) {
	return deliver.Unknown, nil
}

type batch struct {
	spool.Batch
	d    *Deliverer
	path string
}

// Add stages one message in an unlinked file.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	e.Recipients = slices.Clone(e.Recipients)
	m := &staging{Spool: spool.Spool{Pool: b.d.pool}, crlf: b.d.o.LineEnds == CRLF}
	return b.Stage(&m.Spool, func() error { return m.fill(ctx, body) },
		func(ctx context.Context) deliver.Result { return deliver.Result{Err: b.d.run(ctx, b.path, &e, m)} })
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
