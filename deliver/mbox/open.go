package mbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// resolve returns the absolute path of the file itself, and refuses what is no
// fit target. In a directory where anybody may create entries (/var/mail,
// /tmp), a symbolic link is somebody else's choice of where our mail goes.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", cannotCreate(err)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", cannotCreate(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if err := trustDir(filepath.Dir(path)); err != nil {
			return "", cannotCreate(&LinkError{true, fmt.Errorf("%s: symbolic link in %w", path, err)})
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", cannotCreate(&LinkError{false, err})
		}
		if info, err = os.Lstat(path); err != nil {
			return "", cannotCreate(err)
		}
	}
	return path, checkFile(path, info)
}

// trustDir returns an error if others may put links into the directory.
func trustDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 || info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s, a directory that others may write to", dir)
	}
	return nil
}

var (
	// ErrLinks: the file has several names, and a program may replace one of them.
	ErrLinks = errors.New("hard links")
	// ErrNotLocked: another program wrote to the mbox while we had it locked.
	ErrNotLocked = errors.New("changed while we had it locked")
)

// LinkError says that the path is a symbolic link that is not followed: others may
// have made it (Untrusted), or it leads nowhere.
type LinkError struct {
	Untrusted bool
	Err       error
}

func (e *LinkError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LinkError) Unwrap() error { return e.Err }

// checkFile refuses all but a regular file with one name, and one that another
// user planted. A nil return is an
// untyped nil.
func checkFile(path string, info fs.FileInfo) error {
	switch _, _, names := durable.FileID(info); {
	case info.IsDir():
		return cannotCreate(fmt.Errorf("%s: %w", path, syscall.EISDIR))
	case !info.Mode().IsRegular():
		return cannotCreate(fmt.Errorf("%s: not a regular file (%s)", path, info.Mode().Type()))
	case names > 1:
		return cannotCreate(fmt.Errorf("%s: has %d names (%w)", path, names, ErrLinks))
	}
	if err := durable.CheckOwner(path, info); err != nil {
		return cannotCreate(err)
	}
	return nil
}

// openFile opens the mbox for reading and writing, without following a link at
// the end of the path and without waiting for the other end of a pipe.
func openFile(path string, create bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|openFlags, 0)
	if create && errors.Is(err, fs.ErrNotExist) {
		f, err = createFile(path)
	}
	if errors.Is(err, syscall.ELOOP) {
		return nil, cannotCreate(fmt.Errorf("%s: became a symbolic link", path))
	}
	if err != nil {
		return nil, openError(err)
	}
	info, err := f.Stat()
	if err == nil {
		err = checkFile(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// createFile makes an empty mbox whose name survives a power loss.
func createFile(path string) (*os.File, error) {
	if err := fault.Error("mbox.create"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(path, os.O_RDWR|openFlags, 0) // another program was quicker
	}
	if err != nil {
		return nil, err
	}
	// The file too: without a journal, a name in a durable directory does not make
	// the inode durable that it leads to.
	if err := errors.Join(durable.Sync(f), durable.SyncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return cannotCreate(err)
}
