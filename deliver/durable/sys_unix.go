//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// open is os.OpenFile for what is known to be a regular file or a directory:
// os.OpenFile offers each to the poller, which refuses it, and that takes five
// system calls of the ten that a message costs.
func open(path string, flags int) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC, 0o600)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case !errors.Is(err, syscall.EINTR):
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func syncDir(path string) error {
	if fault.Enabled && fault.Mutated("no-syncdir-"+filepath.Base(path)) {
		return nil
	}
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// FileID returns the number of a file, the one of its file system, and how many
// names the file has; zeros where the system does not report them.
func FileID(info fs.FileInfo) (inode, device, names uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino), uint64(st.Dev), uint64(st.Nlink) // the widths differ between systems
	}
	return 0, 0, 0
}

// foreignOwner returns the user who owns a file of that name, if that is
// neither this user nor root.
func foreignOwner(info fs.FileInfo, name string) (string, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Geteuid() {
		return "", false
	}
	owner := strconv.FormatUint(uint64(st.Uid), 10)
	if os.Geteuid() == 0 {
		if u, err := user.LookupId(owner); err == nil && u.Username == name {
			return "", false
		}
	}
	return owner, true
}
