//go:build !unix

package process

import "os/exec"

// group does nothing here: there are no process groups.
func group(*exec.Cmd) {}

// OwnGroup does nothing here.
func OwnGroup(*exec.Cmd) {}

// End ends the command.
func End(cmd *exec.Cmd, _ bool) error { return cmd.Process.Kill() }
