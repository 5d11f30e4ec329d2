//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// atTerminal reports whether there is a terminal. In another process group than ours,
// a command could not read from there.
func atTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err == nil {
		_ = tty.Close()
	}
	return err == nil
}

// lead makes a command the leader of a process group.
func lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// end sends a signal to a process, or to the group that it leads.
func end(pid int, leads, kill bool) error {
	sig := syscall.SIGTERM
	if kill {
		sig = syscall.SIGKILL
	}
	if leads {
		pid = -pid
	}
	return syscall.Kill(pid, sig)
}
