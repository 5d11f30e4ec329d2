//go:build !unix

package pipe

import "os/exec"

// ownGroup does nothing: there are no process groups here.
func ownGroup(*exec.Cmd) {}

// endGroup kills the command. Its descendants are on their own.
func endGroup(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }
