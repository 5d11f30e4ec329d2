//go:build unix

package oauth

import (
	"errors"
	"os"
	"syscall"
)

// modesMatter: permission bits say who may read a file.
const modesMatter = true

// errLocked means that somebody else holds a lock.
var errLocked = errors.New("locked")

// tryLock locks the file of that name, which is created if need be, until it is
// closed or the process ends.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}
