package durable

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// canSyncfs reports whether syncfs on the file system of f is as good as an
// fsync of each file, and its device. Before Linux 5.8 it reports no write
// error, and on file systems that are not known to be local it may do nothing
// at all (FUSE), so only the usual ones count.
func canSyncfs(f *os.File) (device uint64, ok bool) {
	var name unix.Utsname
	if unix.Uname(&name) != nil || !syncfsReports(unix.ByteSliceToString(name.Release[:])) {
		return 0, false
	}
	var st unix.Statfs_t
	var file unix.Stat_t
	if unix.Fstatfs(int(f.Fd()), &st) != nil || unix.Fstat(int(f.Fd()), &file) != nil {
		return 0, false
	}
	switch uint32(st.Type) { // its width differs between architectures
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return uint64(file.Dev), true //nolint:unconvert // 32 bits on some architectures
	}
	return 0, false
}

// syncfsReports decides from a kernel release ("6.1.0-18-amd64").
func syncfsReports(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 8
}

func syncfs(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// renameNew falls back where the file system (NFS) or the kernel (before 3.15)
// has no RENAME_NOREPLACE.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// BootID names this boot of the machine; empty if the system does not report it. It is the
// same in all containers of one kernel.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// mountOf names the mount that holds path: a stick that was pulled out and put
// in again is another one. The unique id is never used again (Linux 6.8).
func mountOf(path string) string {
	var st unix.Statx_t
	for _, mask := range []int{unix.STATX_MNT_ID_UNIQUE, unix.STATX_MNT_ID} {
		err := unix.Statx(unix.AT_FDCWD, path, 0, mask, &st)
		if err == nil && st.Mask&uint32(mask) != 0 {
			return fmt.Sprint(st.Dev_major, ":", st.Dev_minor, " ", st.Mnt_id)
		}
	}
	return ""
}
