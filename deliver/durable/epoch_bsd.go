//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package durable

import (
	"encoding/hex"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the machine; empty if the system does not report it. Where the
// time of the boot follows a clock that is set, it names another boot: what
// rests on it is then looked up.
func BootID() string {
	boot, err := unix.SysctlRaw("kern.boottime")
	if err != nil {
		return ""
	}
	return hex.EncodeToString(boot)
}

// mountOf is not known here.
func mountOf(string) string { return "" }
