package oauth

import (
	"errors"
	"os"
	"syscall"
)

// modesMatter: on Windows the directory's access list says who may read.
const modesMatter = false

// errLocked means that somebody else holds a lock.
var errLocked = errors.New("locked")

const errorSharingViolation = syscall.Errno(32)

// tryLock opens the file of that name for this handle alone, until it is closed
// or the process ends.
func tryLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}
