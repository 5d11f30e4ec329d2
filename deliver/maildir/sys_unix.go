//go:build unix

package maildir

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable asks for the effective user. It finds a read-only file system
// before anything is fetched.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// lockShared locks a file until it is closed, unless it is locked by lockAlone.
// It works with a file that is open for reading, also over NFS.
func lockShared(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil }

// lockAlone does so for a file that is open for writing; false if anybody has
// it locked, or if the system does not report it.
func lockAlone(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
