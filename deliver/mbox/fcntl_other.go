//go:build unix && !linux

package mbox

import "golang.org/x/sys/unix"

// POSIX locks belong to the process: between two batches of one process only
// the dotlock excludes.
const (
	setLock = unix.F_SETLK
	getLock = unix.F_GETLK
)
