package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// workers is how many fsync calls run at a time: measured, more gain little,
// because the file system writes them out in one journal commit anyway.
const workers = 16

// FilesError is the failure of SyncFiles.
type FilesError struct {
	// Errs has one element a file, in the order of the call; nil where the
	// file is durable. At least one is not nil.
	Errs []error
}

// Error is the text of the first failure.
func (e *FilesError) Error() string {
	for _, err := range e.Errs {
		if err != nil {
			return err.Error()
		}
	}
	return "sync files"
}

// Unwrap returns the failures, for errors.Is and errors.As.
func (e *FilesError) Unwrap() []error {
	var errs []error
	for _, err := range e.Errs {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// SyncFiles makes the data of closed files durable, several at a time. The
// files are opened again for it: fsync concerns the file, not the descriptor,
// and Linux reports a write error that nobody has seen yet to the next one who
// opens the file. So a batch needs no descriptor a message. A done ctx leaves
// the rest undone. The error is nil or a *FilesError.
//
// The fault points of all files come before the first fsync, in their order:
// what runs in parallel would not give the same log twice.
func SyncFiles(ctx context.Context, paths []string) error {
	return syncFiles(ctx, paths, workers)
}

func syncFiles(ctx context.Context, paths []string, workers int) error {
	errs := make([]error, len(paths))
	for i, path := range paths {
		if err := fault.Error("durable.fsync"); err != nil {
			errs[i] = fmt.Errorf("fsync %s: %w", path, err)
		}
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(workers, len(paths)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = errors.Join(errs[i], syncFile(ctx, paths[i]))
			}
		})
	}
	for i := range paths {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return &FilesError{Errs: errs}
		}
	}
	return nil
}

// syncFile opens for writing because Windows flushes no other descriptor.
func syncFile(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	return errors.Join(fsync(f), f.Close())
}
