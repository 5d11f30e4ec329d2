//go:build unix

package rcfile

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Alive reports whether a process exists and, where that can be seen, has
// name in its own name: a pidfile outlives its process.
func Alive(pid int, name string) bool {
	if pid < 1 {
		return false
	}
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err != nil || strings.Contains(string(comm), name)
}

// Locked reports whether another process holds a POSIX lock on a file.
func Locked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	return syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l) == nil && l.Type != syscall.F_UNLCK
}
