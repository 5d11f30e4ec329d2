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

// MkdirAll is os.MkdirAll with each new directory's entry made durable in its
// parent. A path that is there already, also as a symbolic link to a
// directory, is left alone.
func MkdirAll(path string, perm fs.FileMode) error {
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
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := fault.Error("durable.mkdir"); err != nil {
		return fmt.Errorf("mkdir %s: %w", path, err)
	}
	if err := os.Mkdir(path, perm); err != nil {
		if info, serr := os.Stat(path); serr == nil && info.IsDir() {
			return SyncDir(parent) // another process made it, perhaps without a sync
		}
		return err
	}
	return SyncDir(parent)
}

// Create makes a regular file that must not exist yet (fs.ErrExist), mode 0600,
// for writing. It makes nothing durable; the fault point is the caller's.
func Create(path string) (*os.File, error) {
	return open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
}

// WriteFile replaces or creates a file, mode 0600, such that after a crash
// either the old or the new content is there, whole. Temporary files of a
// killed process begin with "." and the name.
func WriteFile(path string, data []byte) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if err := fault.Error("durable.create"); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, "."+name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = Sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
