package pipe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

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
	return &batch{d: d, Batch: spool.Batch{
		Intent:  deliver.Intent{Kind: Kind, Data: []byte(path)},
		Refused: func(err error) error { return d.failure(deliver.Later, err) },
	}}, nil
}

// Close does nothing: no command outlives Publish. Idempotent.
func (d *Deliverer) Close() error { return nil }

type batch struct {
	spool.Batch
	d *Deliverer
}

// Add stages one message in an unlinked file.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	e.Recipients = slices.Clone(e.Recipients)
	m := &staging{Spool: spool.Spool{Pool: b.d.pool}, crlf: b.d.o.LineEnds == CRLF}
	return b.Stage(&m.Spool, func() error { return m.fill(ctx, body) },
		func(ctx context.Context) deliver.Result { return b.send(ctx, &e, m) })
}

// send runs the command, unless all recipients have the message already.
func (b *batch) send(ctx context.Context, e *deliver.Envelope, m *staging) deliver.Result {
	to := e.Recipients
	if e.Recipients = e.Rest(to); len(to) > 0 && len(e.Recipients) == 0 {
		return deliver.Result{Receipt: "delivered before"}
	}
	return deliver.Result{Err: b.d.run(ctx, e, m)}
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

// Kind is the Intent.Kind of this package.
const Kind = "pipe"

// LineEnds says how lines end on the command's standard input.
type LineEnds uint8

const (
	// LF is what programs on Unix expect.
	LF LineEnds = iota
	// CRLF is how the message came over the wire.
	CRLF
)

// String names it as people do.
func (l LineEnds) String() string {
	return [...]string{"lf", "crlf"}[min(l, CRLF)]
}

// Options describe one command. They are not changed after New.
type Options struct {
	// Command is the program, absolute or looked up in PATH, and its
	// arguments.
	Command []string
	// Env are further "NAME=value" for its environment, which is otherwise
	// PATH, HOME, USER, LOGNAME, LANG, LC_ALL, TZ and TMPDIR as we have them,
	// and SENDER, RECIPIENT, MAILHAUL_ACCOUNT and MAILHAUL_UID.
	Env []string
	// To are the recipients for envelopes that name none. The command runs
	// once whatever their number; RECIPIENT has them with commas between.
	To []string
	// LineEnds are those of the message on standard input.
	LineEnds LineEnds
	// Timeout ends the command's process group; zero: 5 minutes.
	Timeout time.Duration
	// Grace is how long the group has between SIGTERM and SIGKILL, and how
	// long output held open by a background process is waited for; zero: 5 s.
	Grace time.Duration
	// Logger gets warnings. Nil: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.Grace <= 0 {
		o.Grace = 5 * time.Second
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}
