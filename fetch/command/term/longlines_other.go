//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package term

import (
	"io"
	"os"
)

// LongLines does nothing here: the console keeps long lines.
func LongLines(io.Reader) (restore func()) { return func() {} }

// silence leaves the echo as it is.
func silence(*os.File) bool { return false }
