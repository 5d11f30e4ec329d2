package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// MkdirAll is os.MkdirAll with each new directory and its entry in the parent
// made durable. A path that is there already, also as a symbolic link to a
// directory, is left alone.
func MkdirAll(path string, perm fs.FileMode) error { return mkdirAll(path, perm, fault.Error) }

// MkdirAllQuiet is MkdirAll without fault points, for what is made before the
// first step of a run: the directory of the state.
func MkdirAllQuiet(path string, perm fs.FileMode) error {
	return mkdirAll(path, perm, func(string) error { return nil })
}

func mkdirAll(path string, perm fs.FileMode, point func(string) error) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if parent != path {
		if err := mkdirAll(parent, perm, point); err != nil {
			return err
		}
	}
	if err := point("durable.mkdir"); err != nil {
		return fmt.Errorf("mkdir %s: %w", path, err)
	}
	err = os.Mkdir(path, perm)
	if err != nil { // another process may have made it, perhaps without a sync
		if info, serr := os.Stat(path); serr != nil || !info.IsDir() {
			return err
		}
	} else if err := syncDir(path); err != nil { // without a journal, a durable entry may lead to an inode that is not
		return err
	}
	if err := point("durable.syncdir"); err != nil {
		return fmt.Errorf("fsync %s: %w", parent, err)
	}
	return syncDir(parent)
}

// Create makes a regular file that must not exist yet (fs.ErrExist), mode 0600,
// for writing. It makes nothing durable; the fault point is the caller's.
func Create(path string) (*os.File, error) {
	return open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
}

// WriteFile replaces or creates a file, mode 0600, such that after a crash
// either the old or the new content is there, whole. Temporary files of a
// killed process begin with "." and the name.
func WriteFile(path string, data []byte) error {
	return writeTemp(path, data, Sync, Rename)
}

// WriteNew is WriteFile for a path that must not exist yet. If it does, even
// because another program was faster, the error is fs.ErrExist.
func WriteNew(path string, data []byte) error {
	return writeTemp(path, data, Sync, func(temp, path string) error {
		// A link, since not every system has a rename that never replaces.
		err := os.Link(temp, path)
		switch {
		case err == nil:
			err = os.Remove(temp)
		case !errors.Is(err, fs.ErrExist): // a file system without links
			err = RenameNew(temp, path)
		}
		if err != nil {
			return err
		}
		return SyncDir(filepath.Dir(path))
	})
}

// Swap replaces or creates a file in one step: a reader finds the old or the
// new content, whole. Nothing is synced: after a power loss the file may be
// empty, so it is for what is worth nothing then.
func Swap(path string, perm fs.FileMode, data []byte) error {
	return writeTemp(path, data, func(f *os.File) error { return f.Chmod(perm) }, os.Rename)
}

// writeTemp writes a temporary file, finishes it, and gives it its name.
func writeTemp(path string, data []byte, finish func(*os.File) error, place func(temp, path string) error) error {
	if err := fault.Error("durable.create"); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	if err = write(f, path, data, finish, place); err == nil {
		return nil
	}
	return errors.Join(err, Remove(f.Name()))
}

// Remove removes a file. That there is none is no error.
func Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func write(f *os.File, path string, data []byte, finish func(*os.File) error, place func(temp, path string) error) error {
	_, err := f.Write(data)
	if err == nil {
		err = finish(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return place(f.Name(), path)
}

// WriteFileVia is WriteFile for who alone may write path and temp, a name in
// the same directory: a process that is killed leaves the new content there. It
// calls step before each step instead of the fault points of this package, with
// "create", "fsync", "rename" and "syncdir".
func WriteFileVia(temp, path string, data []byte, step func(string)) error {
	step("create")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return write(f, path, data, func(f *os.File) error {
		err := f.Chmod(0o600) // a file that was left behind may have any mode
		step("fsync")
		return errors.Join(err, fsync(f))
	}, func(temp, path string) error {
		step("rename")
		err := os.Rename(temp, path)
		if err == nil {
			step("syncdir")
			err = syncDir(filepath.Dir(path))
		}
		return err
	})
}
