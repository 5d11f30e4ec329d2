package deliver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// TrialSize is the size of the message of a trial, in bytes: a disk without room
// for it is as good as full.
const TrialSize = 64 << 10

// Prober is implemented by a Deliverer for which staging a message says too little
// about a delivery, or costs too much.
type Prober interface {
	// Probe finds out whether the target takes messages now, and leaves no trace of
	// that. It is called instead of Begin. An error, or each of several joined ones,
	// is an *Error: with Later, another message or another time may do.
	Probe(ctx context.Context) error
}

// Try finds out whether the target of d takes messages now.
func Try(ctx context.Context, d Deliverer) error {
	if p, ok := d.(Prober); ok {
		return p.Probe(ctx)
	}
	return Stage(ctx, d)
}

// Stage stages a message in a batch of d and takes it back.
func Stage(ctx context.Context, d Deliverer) error {
	b, err := d.Begin(ctx)
	if err != nil {
		return err
	}
	err = b.Add(ctx, Envelope{Size: TrialSize}, trialMessage())
	return errors.Join(err, b.Abort())
}

// Room finds out whether there is room for a message in dir, or, if it is missing,
// in the directory that it would be made in. The error is an *Error.
func Room(dir string) error {
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	f, err := os.CreateTemp(dir, ".mailhaul-trial-*")
	if err != nil {
		return &Error{Class: CannotCreate, Err: err}
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, trialMessage())
	if err = errors.Join(err, f.Close()); err != nil { // NFS reports a full disk at the end
		return &Error{Class: IOError, Err: err}
	}
	return nil
}

func trialMessage() io.Reader {
	return strings.NewReader("Subject: trial\n\n" + strings.Repeat("A line of a message that is never delivered, to see whether it fits.\n", TrialSize/68))
}

// Step is one step of the way to a target, as check --connect shows it.
type Step struct {
	Name, Detail string
	Err          error
	Took         time.Duration
}

// Steps returns what tells steps one after another, with the time that each took. It
// returns the error.
func Steps(step func(Step)) func(name, detail string, err error) error {
	start := time.Now()
	return func(name, detail string, err error) error {
		step(Step{name, detail, err, time.Since(start)})
		start = time.Now()
		return err
	}
}
