//go:build !faults

// Package fault names the steps at which a crash must be harmless.
//
// In a normal build everything here compiles to nothing. Built with the tag
// faults, a test can kill the process at the Nth step, log the steps, make a
// step fail, or switch a mutation on (see on.go and docs/design.md).
package fault

// Enabled reports whether this binary was built with the tag faults.
const Enabled = false

// Point marks a step that is about to be taken. The name is "package.step".
func Point(string) {}

// Error is Point for a step that can fail: a non-nil result stands in for the
// step's own failure.
func Error(string) error { return nil }

// Mutated reports whether the named defect is switched on, to prove that the
// crash tests would catch it.
func Mutated(string) bool { return false }
