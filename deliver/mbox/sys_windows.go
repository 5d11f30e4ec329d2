package mbox

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const openFlags = 0

func accessTime(*os.File) (time.Time, error) { return time.Time{}, errors.ErrUnsupported }

func dead(int) bool { return false }

func notWritable(err error) bool { return errors.Is(err, fs.ErrPermission) }

// Windows has no locks that mail programs agree on: the dotlock is the only one.
func fcntlLock(*os.File) (holder string, err error) { return "", nil }

func fcntlUnlock(*os.File) error { return nil }

// full reports whether there is no room left on the file system.
func full(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
