//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package durable

// BootID names this boot of the machine; empty if it cannot be told.
func BootID() string { return "" }

// mountOf is not known here.
func mountOf(string) string { return "" }
