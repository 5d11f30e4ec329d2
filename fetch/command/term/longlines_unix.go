//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package term

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// LongLines makes a terminal hand over what is typed or pasted as it comes: in
// Line mode it keeps 4,096 characters of a line, on macOS 1,024, and a code
// may be longer. Restore brings the line mode back.
func LongLines(in io.Reader) (restore func()) {
	f, ok := in.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return func() {} // not a terminal
	}
	now := *before
	now.Lflag &^= unix.ICANON
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, setTermios, &now) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }
}

// silence turns the echo of a terminal off; false if it cannot.
func silence(f *os.File) bool {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return false
	}
	t.Lflag &^= unix.ECHO
	t.Lflag |= unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(int(f.Fd()), setTermios, t) == nil
}
