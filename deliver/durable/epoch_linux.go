package durable

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

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
