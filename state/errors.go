package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
)

var (
	// ErrLocked: another process holds the file. Try again later.
	ErrLocked = errors.New("in use by another run")
	// ErrNotState: the file is no state file, or is too damaged to be used. Without
	// it, everything that is on the server is fetched again.
	ErrNotState = errors.New("not a mailhaul state file, or damaged")
)

// VersionError says that a state file has a format this program cannot use.
type VersionError struct {
	Path string
	Have int // the file's
	Want int // this program's
}

func (e *VersionError) Error() string {
	return e.Path + ": " + e.Problem()
}

// Problem is Error without the path.
func (e *VersionError) Problem() string {
	which := "older"
	if e.Have > e.Want {
		which = "newer"
	}
	return fmt.Sprintf("state format %d is %s than this program's %d", e.Have, which, e.Want)
}

// faultsPanic makes an access to a page that the file no longer has (it was
// truncated, or its disk failed) a panic of this goroutine instead of the end
// of the process. The result undoes it.
func faultsPanic() (undo func()) {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// contain turns a panic of bbolt, which panics when pages are damaged, into an
// error. It is deferred around calls into bbolt only, so that a defect of a caller
// is not mistaken for a damaged file.
func contain(err *error) {
	if recover() != nil {
		*err = errPage // the words of the panic are of no use to a person
	}
}

// FileError says that a state file cannot be used: which one, and why.
type FileError struct {
	Path string
	// Written: it was open and could not be written to.
	Written bool
	// Err is ErrLocked, ErrNotState, a *VersionError or the system's error.
	Err error
}

// fileError makes a *FileError of an error in the file at path. Nil and the error of
// a cancelled context are returned unchanged.
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

// cause is the reason without the path, which precedes it, and without the names
// of system calls.
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
