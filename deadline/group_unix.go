//go:build unix

package deadline

import (
	"os"
	"os/exec"
	"syscall"
)

// group starts the command as the leader of a process group, so that all of it
// can be ended. With a terminal it stays in ours: in another group it could not
// read from there.
func group(cmd *exec.Cmd) {
	tty, err := os.Open("/dev/tty")
	if err == nil {
		_ = tty.Close()
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// end sends SIGTERM, or SIGKILL, to the command, and to its group if it leads one.
func end(cmd *exec.Cmd, kill bool) error {
	sig := syscall.SIGTERM
	if kill {
		sig = syscall.SIGKILL
	}
	if cmd.SysProcAttr == nil {
		return cmd.Process.Signal(sig)
	}
	return syscall.Kill(-cmd.Process.Pid, sig)
}
