//go:build unix

package pipe

import (
	"os/exec"
	"syscall"
)

// ownGroup starts the command as the leader of a process group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// endGroup sends SIGTERM, or SIGKILL, to the command and its descendants. The
// group may be gone already, so errors mean nothing.
func endGroup(cmd *exec.Cmd, kill bool) {
	sig := syscall.SIGTERM
	if kill {
		sig = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, sig)
}
