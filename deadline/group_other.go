//go:build !unix

package deadline

import "os/exec"

// group does nothing here: there are no process groups.
func group(*exec.Cmd) {}

// end ends the command.
func end(cmd *exec.Cmd, _ bool) error { return cmd.Process.Kill() }
