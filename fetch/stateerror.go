package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/state"
)

// StateError says that the state file of an account cannot be used: which file,
// why, and by its hint what to do.
type StateError struct {
	Path string
	// Written: it was open and could not be written to.
	Written bool
	// Err is what package state said.
	Err error
}

// StateOpen makes a *StateError of what package state said when the file at
// path was to be opened or read. Nil, and the ends of a context, stay as they are.
func StateOpen(path string, err error) error { return stateError(path, false, err) }

// StateWrite is StateOpen for a file that was to be written to.
func StateWrite(path string, err error) error { return stateError(path, true, err) }

func stateError(path string, written bool, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.As(err, new(*StateError)) {
		return err
	}
	return &StateError{Path: path, Written: written, Err: err}
}

func stateWrite(db *state.DB, err error) error { return StateWrite(db.Path(), err) }

// stateFailed is a change that was not made: the disk failed, or what was to be
// changed is damaged.
func stateFailed(db *state.DB, err error) *Error {
	exit := ExitIO
	if errors.Is(err, state.ErrNotState) {
		exit = ExitCannotWrite
	}
	return &Error{Exit: exit, Err: stateWrite(db, err)}
}

// stateDamage names the state where damage was met while it was read.
func stateDamage(path string, err error) error {
	if !errors.Is(err, state.ErrNotState) {
		return err
	}
	return StateOpen(path, err)
}

func (r *run) statePath() string { return state.Path(r.f.StateDir, r.a.ID) }

// Error implements error.
func (e *StateError) Error() string {
	do := "used"
	if e.Written && !errors.Is(e.Err, state.ErrNotState) {
		do = "written"
	}
	return fmt.Sprintf("the state %s cannot be %s: %s", e.Path, do, e.cause())
}

// cause is the reason without the path, which stands before it, and without
// the names of system calls.
func (e *StateError) cause() string {
	var version *state.VersionError
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
func (e *StateError) Unwrap() error { return e.Err }

// SettleError says that what an interrupted run left cannot be completed yet.
type SettleError struct{ err error }

func (e *SettleError) Error() string {
	return "an interrupted delivery cannot be completed yet: " + e.err.Error()
}

func (e *SettleError) Unwrap() error { return e.err }
