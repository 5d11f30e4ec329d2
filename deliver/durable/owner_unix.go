//go:build unix

package durable

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

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
