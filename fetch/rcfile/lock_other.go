//go:build !unix

package rcfile

import (
	"errors"
	"io/fs"
	"os"
)

// Locked reports whether another process keeps a file from being written.
func Locked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	f.Close() // nil is fine
	return err != nil && !errors.Is(err, fs.ErrNotExist)
}
