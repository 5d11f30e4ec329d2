//go:build unix

package mbox

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// accessTime returns when the file was last read.
func accessTime(f *os.File) (time.Time, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return time.Time{}, os.NewSyscallError("fstat", err)
	}
	return time.Unix(st.Atim.Unix()), nil
}

// dead reports whether there is no process of this id.
func dead(pid int) bool {
	return pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// notWritable reports whether an attempt to create a file failed because of
// its directory's permissions.
func notWritable(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}

// full reports whether there is no room left on the file system.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

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
