package shard

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// A lease is renewed every renewEvery. Who has not been able to for renewWithin stops,
// and who has seen no renewal for expireAfter takes it over. Nobody compares the clocks
// of two machines.
const (
	renewEvery  = 5 * time.Second
	renewWithin = 20 * time.Second
	expireAfter = 30 * time.Second
)

// HeldError says that another process has the shard, or one that has accounts of it.
type HeldError struct {
	Shard Shard
	// File is its lease, and By what it wrote: host and process.
	File, By string
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("shard %s: %s has %s", e.Shard, e.By, filepath.Base(e.File))
}

// LostError says that a lease could not be renewed, or was taken over.
type LostError struct {
	Shard Shard
	Err   error
}

// Error implements error.
func (e *LostError) Error() string {
	return fmt.Sprintf("shard %s: the lease is lost, another process may have it: %v", e.Shard, e.Err)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// lease is a file in the state directory that says who works on a shard. It is for what
// locks cannot do: file systems of a network where they hold on one machine only. It is
// never synced: after a power failure nobody works on the shard.
type lease struct {
	shard Shard
	path  string
	owner string // host and process, and bits that no other lease has
	count int
}

// Hold takes the lease of a shard in a state directory, and keeps it until end is
// called. The context is done when ctx is, or with a *LostError as its cause. The error
// is a *HeldError or that of a file. If a process ended without end, its lease is waited
// for. All accounts need no lease.
func Hold(ctx context.Context, dir string, s Shard) (held context.Context, end func(), err error) {
	if s.Of == 0 {
		return ctx, func() {}, nil
	}
	l := newLease(dir, s)
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	if err := l.take(ctx, dir); err != nil {
		return nil, nil, err
	}
	held, stop := l.keep(ctx)
	return held, func() {
		stop()
		l.release()
	}, nil
}

func newLease(dir string, s Shard) *lease {
	host, _ := os.Hostname()
	return &lease{shard: s, path: leasePath(dir, s), owner: fmt.Sprintf("%s, process %d %s", host, os.Getpid(), rand.Text())}
}

// keep renews the lease until stop is called, which leaves the file.
func (l *lease) keep(ctx context.Context) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := renew(ended, l.write); err != nil {
			cancel(&LostError{l.shard, err})
		}
	}()
	return held, func() {
		close(ended)
		<-done
		cancel(nil)
	}
}

func leasePath(dir string, s Shard) string {
	return filepath.Join(dir, fmt.Sprintf("shard-%d-of-%d.lease", s.N, s.Of))
}

// take makes the file once nobody else has it, nor a shard of another division, in which
// some of the same accounts are.
func (l *lease) take(ctx context.Context, dir string) error {
	for {
		err := l.create()
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		rivals := []string{l.path}
		if err == nil {
			rivals = l.others(dir)
		}
		held := l.expireAll(ctx, rivals, err == nil)
		switch {
		case errors.Is(held, errTaken): // it seemed to have expired: the next turn watches it
		case held != nil && err == nil:
			l.release()
			return held
		case held != nil || err == nil:
			return held
		}
	}
}

func (l *lease) expireAll(ctx context.Context, paths []string, own bool) error {
	for _, path := range paths {
		if err := l.expire(ctx, path, own); err != nil {
			return err
		}
	}
	return nil
}

func (l *lease) create() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(l.text())
	return errors.Join(err, f.Close())
}

// text changes with each renewal.
func (l *lease) text() []byte { return fmt.Appendf(nil, "%s\n%010d\n", l.owner, l.count) }

// others are the leases of shards of another division.
func (l *lease) others(dir string) (paths []string) {
	all, _ := filepath.Glob(filepath.Join(dir, "shard-*-of-*.lease"))
	for _, path := range all {
		if !strings.HasSuffix(path, fmt.Sprintf("-of-%d.lease", l.shard.Of)) {
			paths = append(paths, path)
		}
	}
	return paths
}

// expire watches a lease, and removes it if nobody renews it. The error is a *HeldError
// if somebody does. Our own, if there is one, is renewed meanwhile: others watch it.
func (l *lease) expire(ctx context.Context, path string, own bool) error {
	first, err := os.ReadFile(path)
	for waited := time.Duration(0); err == nil && waited < expireAfter; waited += time.Second {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if own {
			if err := l.write(); err != nil {
				return err
			}
		}
		var now []byte
		if now, err = os.ReadFile(path); err == nil && !bytes.Equal(now, first) {
			return &HeldError{l.shard, path, ownerOf(now)}
		}
	}
	if err == nil {
		err = l.remove(path, first)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// remove removes a lease that expired. It is moved away first: whoever does the same may
// have made its own by now, and gets that back.
func (l *lease) remove(path string, expired []byte) error {
	aside := path + "." + rand.Text()
	if err := durable.Rename(path, aside); err != nil {
		return err
	}
	if now, err := os.ReadFile(aside); err == nil && !bytes.Equal(now, expired) {
		return errors.Join(&HeldError{l.shard, path, ownerOf(now)}, durable.RenameNew(aside, path))
	}
	return os.Remove(aside)
}

// ownerOf is the host and process in a lease.
func ownerOf(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	if i := strings.LastIndexByte(line, ' '); i > 0 {
		line = line[:i]
	}
	return line
}

// renew renews a lease with write until stop is closed; the error says why it cannot. A
// renewal counts from when it began: others may have seen it then.
func renew(stop <-chan struct{}, write func() error) error {
	results := make(chan error, 1)
	var failed error
	for last := time.Now(); ; {
		select {
		case <-stop:
			return nil
		case <-time.After(max(time.Second, renewEvery-time.Since(last))):
		}
		began := time.Now()
		go func() { results <- write() }() // a server that is away makes it wait
		select {
		case failed = <-results:
		case <-time.After(renewWithin - time.Since(last)):
			return errors.New("the file system does not answer")
		}
		switch {
		case failed == nil:
			last = began
		case errors.Is(failed, errTaken), time.Since(last) > renewWithin-renewEvery:
			return failed
		}
	}
}

var errTaken = errors.New("the file is another process's")

// write renews the file in place, so that one that was moved away stays away.
func (l *lease) write() error {
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errTaken
	} else if err != nil {
		return err
	}
	text := make([]byte, len(l.text()))
	if _, _ = f.ReadAt(text, 0); !bytes.HasPrefix(text, []byte(l.owner)) {
		return errors.Join(errTaken, f.Close())
	}
	l.count++
	_, err = f.WriteAt(l.text(), 0)
	return errors.Join(err, f.Close()) // a file system of a network may write, and fail, only now
}

// release removes the file if it is still ours.
func (l *lease) release() {
	if text, err := os.ReadFile(l.path); err == nil && bytes.HasPrefix(text, []byte(l.owner)) {
		_ = os.Remove(l.path)
	}
}
