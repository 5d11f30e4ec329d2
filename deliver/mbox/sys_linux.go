package mbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// allocate takes the blocks for a region without changing the file's size, so
// that a full disk shows before anything was changed. Not every file system
// can; the write shows it then.
func allocate(f *os.File, offset, length int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, offset, length)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// startOf returns when a process was started, in ticks since the boot; empty if
// it has ended or /proc does not report it.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The command's name, in parentheses, may hold anything (proc(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const start = 22 - 3 // of the fields after the name
	if len(fields) <= start {
		return ""
	}
	return fields[start]
}

// Open file description locks conflict with the POSIX locks of other programs,
// but belong to the descriptor: two batches in this process exclude each
// other, and closing another descriptor of the file does not drop them.
const (
	setLock = unix.F_OFD_SETLK
	getLock = unix.F_OFD_GETLK
)
