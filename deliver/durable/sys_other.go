//go:build !linux

package durable

import (
	"errors"
	"os"
)

func canSyncfs(*os.File) (device uint64, ok bool) { return 0, false }

func syncfs(*os.File) error { return errors.ErrUnsupported }

// WriteBack does nothing here.
func WriteBack(*os.File) {}

func renameNew(from, to string) error { return os.Rename(from, to) }
