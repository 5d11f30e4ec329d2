//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// group is OwnGroup if there is no terminal: in another group than ours, a command
// could not read from there.
func group(cmd *exec.Cmd) {
	tty, err := os.Open("/dev/tty")
	if err == nil {
		_ = tty.Close()
		return
	}
	OwnGroup(cmd)
}

// OwnGroup makes the command, which is not started yet, the leader of a process
// group, so that End ends its descendants too.
func OwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// End sends SIGTERM, or SIGKILL, to the command, and to its group if it leads one.
// They may have ended already, so an error means little.
func End(cmd *exec.Cmd, kill bool) error {
	sig := syscall.SIGTERM
	if kill {
		sig = syscall.SIGKILL
	}
	if cmd.SysProcAttr == nil {
		return cmd.Process.Signal(sig)
	}
	return syscall.Kill(-cmd.Process.Pid, sig)
}
