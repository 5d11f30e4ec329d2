//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package term

import "io"

// LongLines does nothing here: the console keeps long lines.
func LongLines(io.Reader) (restore func()) { return func() {} }
