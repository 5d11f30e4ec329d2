//go:build unix

package mbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fcntlLock tries to lock the whole file. errHeld means that another program
// has it; holder then names it as far as the kernel knows.
func fcntlLock(f *os.File) (holder string, err error) {
	err = unix.FcntlFlock(f.Fd(), setLock, &unix.Flock_t{Type: unix.F_WRLCK})
	if err == nil {
		return "", nil
	}
	if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR) {
		return "", os.NewSyscallError("fcntl", err)
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	if unix.FcntlFlock(f.Fd(), getLock, &lk) == nil && lk.Type != unix.F_UNLCK && lk.Pid > 0 {
		return fmt.Sprintf("process %d", lk.Pid), errHeld
	}
	return "", errHeld
}

func fcntlUnlock(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), setLock, &unix.Flock_t{Type: unix.F_UNLCK})
}
