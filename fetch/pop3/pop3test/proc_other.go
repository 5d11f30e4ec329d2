//go:build !unix

package pop3test

import "os/exec"

// There are no process groups here, and no Dovecot.
func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		cmd.Process.Kill()
	}
}
