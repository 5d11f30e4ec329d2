//go:build !unix

package rcfile

import (
	"errors"
	"io/fs"
	"os"
)

// Alive reports whether a process exists.
func Alive(pid int, _ string) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	p.Release()
	return true
}

// Locked reports whether another process keeps a file from being written.
func Locked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	f.Close()
	return false
}
