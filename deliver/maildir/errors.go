package maildir

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

// classify turns a failed step on the Maildir into a class, and a hint for the
// person who has to mend it. What is not known is an I/O error, which stops
// the run: the same step would fail for the next message, too.
func classify(err error) (deliver.Class, string) {
	var foreign *durable.NotOursError
	switch {
	case errors.As(err, &foreign):
		return deliver.CannotCreate, foreign.Hint()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return deliver.Later, ""
	case errors.As(err, new(*deliver.GoneError)):
		return deliver.CannotCreate, ""
	case errors.Is(err, syscall.ENOSPC):
		return deliver.IOError, "the disk is full: make room and run again; nothing was lost"
	case errors.Is(err, syscall.EDQUOT):
		return deliver.IOError, "the disk quota is used up: make room and run again; nothing was lost"
	case errors.Is(err, syscall.EROFS):
		return deliver.CannotCreate, "the file system is read-only: is it mounted as you expect?"
	case errors.Is(err, fs.ErrPermission):
		return deliver.CannotCreate, "does the Maildir belong to the user who runs this?"
	case errors.Is(err, syscall.ENOTDIR):
		return deliver.CannotCreate, "a Maildir is a directory with tmp, new and cur; for one file use mbox"
	case errors.Is(err, syscall.EXDEV):
		return deliver.CannotCreate, "tmp and new of a Maildir must be on one file system"
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		return deliver.CannotCreate, "the path is too long, or a link in it leads back to itself: name another one"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return deliver.Unavailable, "too many open files: raise the limit (ulimit -n), or lower `parallel`"
	case errors.Is(err, fs.ErrNotExist):
		return deliver.CannotCreate, "was the Maildir removed or unmounted meanwhile?"
	}
	return deliver.IOError, "the disk or its file system reports an error (see dmesg)"
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
