//go:build !unix

package state

import (
	"errors"
	"os"
	"syscall"
)

// alive reports whether a process has the id pid.
func alive(pid int) bool {
	p, err := os.FindProcess(pid) // opens the process on Windows
	if err != nil {
		return false
	}
	return p.Release() == nil
}

// unlocker has nothing to do: children of Windows have no copies of our files.
func unlocker(*os.File) func() { return func() {} }

const locksTwice = false

// tryLock leaves the locking to bbolt, whose lock cannot be taken twice here.
func tryLock(*os.File, bool) error { return nil }

func isErrno(err error) bool {
	var e syscall.Errno
	return errors.As(err, &e)
}
