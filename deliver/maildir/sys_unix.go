//go:build unix

package maildir

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileID is the numbers of a file and of its file system.
func fileID(info fs.FileInfo) (inode, device uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino), uint64(st.Dev)
	}
	return 0, 0
}

// writable asks for the effective user. It finds a read-only file system
// before anything is fetched.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
