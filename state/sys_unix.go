//go:build unix

package state

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// alive reports whether a process has the id pid. One that we may not signal
// is alive too.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// unlocker returns what gives up the lock on f for certain, to be called once f
// is closed; before, f is not touched. Closing alone leaves the lock to a child
// that is just being started: until its exec it has a copy of the descriptor.
func unlocker(f *os.File) func() {
	own := -1
	raw, err := f.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { // not if f is closed
			if own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
				own = -1
			}
		})
	}
	return func() {
		if own >= 0 {
			_ = unix.Flock(own, unix.LOCK_UN)
			_ = unix.Close(own)
		}
	}
}

// locksTwice: the lock can be taken before bbolt takes it.
const locksTwice = true

// tryLock takes bbolt's lock on f, which is flock, or returns ErrLocked.
func tryLock(f *os.File, shared bool) error {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func isErrno(err error) bool {
	var e syscall.Errno
	return errors.As(err, &e)
}
