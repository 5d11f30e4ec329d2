package maildir

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

// Error is a failed step on the Maildir at Path.
type Error struct {
	Path string
	// Recovering: an intent of an earlier run was to be settled.
	Recovering bool
	Err        error
}

func (e *Error) Error() string { return "maildir " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify turns a failed step on the Maildir into a class. What is not known is
// an I/O error, which stops the run: the same step would fail for the next
// message, too.
func classify(err error) deliver.Class {
	switch {
	case errors.As(err, new(*durable.NotOursError)), errors.As(err, new(*deliver.GoneError)):
		return deliver.CannotCreate
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return deliver.Later
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return deliver.Unavailable
	}
	for _, cause := range []error{syscall.EROFS, fs.ErrPermission, syscall.ENOTDIR, syscall.EXDEV, syscall.ENAMETOOLONG, syscall.ELOOP, fs.ErrNotExist} {
		if errors.Is(err, cause) {
			return deliver.CannotCreate
		}
	}
	return deliver.IOError
}
