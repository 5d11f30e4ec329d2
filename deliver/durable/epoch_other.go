//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package durable

// BootID names this boot of the machine; empty if the system does not report it.
func BootID() string { return "" }

// mountOf is not known here.
func mountOf(string) string { return "" }
