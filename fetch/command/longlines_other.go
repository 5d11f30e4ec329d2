//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package command

import "io"

// longLines does nothing here: the console keeps long lines.
func longLines(io.Reader) (restore func()) { return func() {} }
