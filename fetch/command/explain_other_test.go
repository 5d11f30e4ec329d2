//go:build !linux

package command

import (
	"os/exec"
	"testing"
)

func onlyLinux(t *testing.T) { t.Skip("made on Linux only") }

func deafPort(t *testing.T, _ map[string]string)     { onlyLinux(t) }
func onLinux(t *testing.T, _ map[string]string)      { onlyLinux(t) }
func fullDisk(t *testing.T, _ map[string]string)     { onlyLinux(t) }
func smallDisk(t *testing.T, _ map[string]string)    { onlyLinux(t) }
func readOnlyDisk(t *testing.T, _ map[string]string) { onlyLinux(t) }

func confined(t *testing.T, _ *exec.Cmd) error { onlyLinux(t); return nil }
