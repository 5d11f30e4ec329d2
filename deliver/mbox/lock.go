package mbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	firstPause = 5 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// errHeld means that another program has a lock that we want.
var errHeld = errors.New("held")

// locker says how to lock a file.
type locker struct {
	path    string
	create  bool // make the file if it is missing
	timeout time.Duration
	warn    func(error) // called if there can be no dotlock; may be nil
}

// target is an mbox that is open and locked.
type target struct {
	path string
	f    *os.File
	dot  *dotlock // nil where the directory cannot be written to
}

// lockFile opens and locks the file. Both locks are only tried; if one is held
// by another program neither is kept while we wait, so that a program that
// takes them in the other order goes on. If the file is missing and not to be
// created, the error is fs.ErrNotExist.
func lockFile(ctx context.Context, l locker) (*target, error) {
	deadline := time.Now().Add(l.timeout)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		t, holder, err := tryLock(l)
		if !errors.Is(err, errHeld) {
			return t, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, &deliver.Error{Class: deliver.Unavailable, Err: &LockedError{Path: l.path, Holder: holder, For: l.timeout}}
		}
		// Half of it at random, so that two who collided do not collide again.
		if err := sleep(ctx, min(left, pause/2+rand.N(pause/2))); err != nil {
			return nil, &deliver.Error{Class: deliver.Unavailable, Err: fmt.Errorf("%s: locked by %s: %w", l.path, holder, err)}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryLock opens the file and tries each lock once. With errHeld, holder names
// the lock and, if known, who has it.
func tryLock(l locker) (t *target, holder string, err error) {
	if err := fault.Error("mbox.lock"); err != nil {
		return nil, "", ioError(fmt.Errorf("lock %s: %w", l.path, err))
	}
	f, err := openFile(l.path, l.create)
	if err != nil {
		return nil, "", err
	}
	t = &target{path: l.path, f: f}
	if holder, err = t.lockBoth(l.warn); err != nil {
		return nil, holder, errors.Join(err, t.close())
	}
	return t, "", nil
}

func (t *target) lockBoth(warn func(error)) (holder string, err error) {
	if holder, err = fcntlLock(t.f); errors.Is(err, errHeld) {
		return withHolder("an fcntl lock", holder), err
	} else if err != nil {
		return "", &deliver.Error{Class: deliver.Unavailable, Err: fmt.Errorf("lock %s: %w", t.path, err)}
	}
	t.dot, holder, err = takeDotlock(t.path)
	switch {
	case errors.Is(err, errHeld):
		return withHolder(t.path+".lock", holder), err
	case err != nil && notWritable(err):
		if warn != nil {
			warn(err)
		}
	case full(err):
		return "", ioError(fmt.Errorf("dotlock: %w", err))
	case err != nil:
		return "", &deliver.Error{Class: deliver.CannotCreate, Err: fmt.Errorf("dotlock: %w", err)}
	}
	same, err := t.inPlace()
	if err != nil {
		return "", err
	}
	if !same { // replaced between open and lock: the next try opens the new one
		return "a program that replaces the file", errHeld
	}
	return "", nil
}

// LockedError says that another program held the mbox at Path all the time.
type LockedError struct {
	Path string
	// Holder is the lock and, if known, who has it.
	Holder string
	For    time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s: locked by %s for %s", e.Path, e.Holder, e.For)
}

// DotLock is the file that locks the mbox, if that is what stays; else empty.
func (e *LockedError) DotLock() string {
	if file := e.Path + ".lock"; strings.HasPrefix(e.Holder, file) {
		return file
	}
	return ""
}

func withHolder(lock, holder string) string {
	if holder == "" {
		return lock
	}
	return lock + " of " + holder
}

// inPlace reports whether the open file is still the one that the path names.
func (t *target) inPlace() (bool, error) {
	ours, err := t.f.Stat()
	if err != nil {
		return false, ioError(err)
	}
	named, err := os.Lstat(t.path)
	if err != nil || !os.SameFile(ours, named) {
		return false, nil
	}
	return true, checkFile(t.path, ours)
}

// size returns the file's size.
func (t *target) size() (int64, error) {
	info, err := t.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// close releases the locks in the reverse order and closes the file.
func (t *target) close() error {
	fault.Point("mbox.unlock")
	var errs []error
	if t.dot != nil {
		errs = append(errs, t.dot.release())
	}
	return errors.Join(append(errs, fcntlUnlock(t.f), t.f.Close())...)
}
