package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// FileError says that a state file cannot be used: which one, and why.
type FileError struct {
	Path string
	// Written: it was open and could not be written to.
	Written bool
	// Err is ErrLocked, ErrNotState, a *VersionError or the system's error.
	Err error
}

// fileError makes one of what was met in the file at path. Nil, and the ends of
// a context, stay as they are.
func fileError(path string, written bool, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.As(err, new(*FileError)) {
		return err
	}
	return &FileError{Path: path, Written: written, Err: err}
}

// Error implements error.
func (e *FileError) Error() string {
	do := "used"
	if e.Written && !errors.Is(e.Err, ErrNotState) {
		do = "written"
	}
	return fmt.Sprintf("the state %s cannot be %s: %s", e.Path, do, e.cause())
}

// cause is the reason without the path, which stands before it, and without
// the names of system calls.
func (e *FileError) cause() string {
	var version *VersionError
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(e.Err, &version):
		return version.Problem()
	case errors.As(e.Err, &file):
		if strings.HasPrefix(e.Path, file.Path+string(os.PathSeparator)) {
			return file.Path + ": " + file.Err.Error()
		}
		return file.Err.Error()
	case errors.As(e.Err, &link):
		return link.Err.Error()
	}
	return strings.TrimPrefix(e.Err.Error(), e.Path+": ")
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }
