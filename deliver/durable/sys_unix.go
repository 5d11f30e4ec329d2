//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// open is os.OpenFile for what is known to be a regular file or a directory:
// os.OpenFile offers each to the poller, which refuses it, and that takes five
// system calls of the ten that a message costs.
func open(path string, flags int) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC, 0o600)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case !errors.Is(err, syscall.EINTR):
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func syncDir(path string) error {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
