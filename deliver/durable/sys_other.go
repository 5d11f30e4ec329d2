//go:build !linux

package durable

import (
	"errors"
	"os"
)

func canSyncfs(*os.File) (device uint64, ok bool) { return 0, false }

func syncfs(*os.File) error { return errors.ErrUnsupported }

func renameNew(from, to string) error { return os.Rename(from, to) }
