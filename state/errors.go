package state

import (
	"errors"
	"fmt"
	"runtime/debug"
)

var (
	// ErrLocked: another process holds the file. Try again later.
	ErrLocked = errors.New("in use by another run")
	// ErrNotState: the file is not one of ours, or is damaged beyond use.
	// Deleting it means to fetch everything that is on the server again.
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

// contain turns a panic of bbolt, which is how it answers damaged pages, into
// an error. It is deferred around calls into bbolt only, so that a defect of a
// caller is not taken for a damaged file.
func contain(err *error) {
	if recover() != nil {
		*err = errPage // the words of the panic are of no use to a person
	}
}
