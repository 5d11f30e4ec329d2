//go:build unix && !linux

package mbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// POSIX locks belong to the process: between two batches of one process only
// the dotlock excludes.
func fcntlLock(f *os.File) (holder string, err error) {
	return posixLock(f, unix.F_SETLK, unix.F_GETLK)
}

func fcntlUnlock(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
}
