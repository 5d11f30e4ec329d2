// Package durable makes writes survive a power loss. It is the only package
// that calls fsync and that renames one file over another, so that the order of
// such calls can be read, logged and tested in one place. (The state database
// syncs its own file.)
//
// A file is durable when its data is (Sync, SyncFiles) and when the entry that
// names it is (SyncDir of its directory). Each step that reaches for the disk
// is preceded by a fault point ("durable.fsync", "durable.syncdir",
// "durable.syncfs", ...), which the order test writes to its log.
package durable

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// Sync makes the data and the size of an open file durable. On darwin this
// includes the drive's own cache (F_FULLFSYNC), which os.File.Sync asks for.
func Sync(f *os.File) error {
	if err := fault.Error("durable.fsync"); err != nil {
		return fmt.Errorf("fsync %s: %w", f.Name(), err)
	}
	return f.Sync()
}

// SyncDir makes the entries of a directory durable: files that were created,
// renamed or removed in it. On file systems that know no fsync of a directory
// (EINVAL, ENOTSUP) and on Windows it does nothing: there is nothing better.
func SyncDir(path string) error {
	if err := fault.Error("durable.syncdir"); err != nil {
		return fmt.Errorf("fsync %s: %w", path, err)
	}
	return syncDir(path)
}

// SyncDirQuiet is SyncDir without a fault point, for what is made before the
// first step of a run: the state file.
func SyncDirQuiet(path string) error { return syncDir(path) }

// Rename moves a file within one file system, in place of any file of the new
// name, and makes both directories durable.
func Rename(from, to string) error {
	if err := fault.Error("durable.rename"); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return nil
	}
	return SyncDir(filepath.Dir(from))
}

// RenameNew moves a file to a name that must not exist yet; if it does, the
// error is fs.ErrExist. Where the system cannot promise that in one step it is
// a plain rename, so names must be unique anyway. The move is durable
// only after SyncDir, which many renames can share; the fault point before it
// is the caller's.
func RenameNew(from, to string) error {
	return renameNew(from, to)
}

// Truncate cuts an open file to size octets, durably.
func Truncate(f *os.File, size int64) error {
	if err := fault.Error("durable.truncate"); err != nil {
		return fmt.Errorf("truncate %s: %w", f.Name(), err)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return Sync(f)
}
