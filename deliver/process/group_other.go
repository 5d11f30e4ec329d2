//go:build !unix

package process

import (
	"os"
	"os/exec"
)

func atTerminal() bool { return true } // there are no process groups

func lead(*exec.Cmd) {}

// end ends the process.
func end(pid int, _, _ bool) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
