package mbox

import (
	"errors"
	"os"

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
