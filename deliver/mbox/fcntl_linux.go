package mbox

import "golang.org/x/sys/unix"

// Open file description locks conflict with the POSIX locks of other programs,
// but belong to the descriptor: two batches in this process exclude each
// other, and closing another descriptor of the file does not drop them.
const (
	setLock = unix.F_OFD_SETLK
	getLock = unix.F_OFD_GETLK
)
