//go:build !unix

package rcfile

import (
	"errors"
	"io/fs"
	"os"
)

// alive reports whether a process exists.
func alive(pid int, _ string) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	p.Release()
	return true
}

// locked reports whether another process keeps a file from being written.
func locked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	f.Close()
	return false
}
