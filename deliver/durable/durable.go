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
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io/fs"
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
	return fsync(f)
}

// fsync is f.Sync, which a mutation leaves out: `make powerloss` proves with it
// that it would see a missing one.
func fsync(f *os.File) error {
	if fault.Mutated("no-fsync") {
		return nil
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

// Epoch names the time in which nothing that was written to the volume of a
// directory can have been lost: from one mount of the volume, and one boot of
// the machine, to the next. It is the same for a process that was killed and
// for the one that comes after it. What was written in another epoch and not
// made durable may be missing, in any order. Empty if the system does not report it.
func Epoch(dir string) string {
	boot := BootID()
	if fault.Mutated("other-boot") {
		boot = "another"
	}
	if boot == "" {
		return ""
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(boot + " " + mountOf(dir))) // never fails
	return hex.EncodeToString(h.Sum(nil))
}

// NotOursError says that a mailbox is in a directory where anybody may create
// files, and that another user made it or may write to it: mail put there would
// be theirs to read or change.
type NotOursError struct {
	Path, Dir string
	// Owner is the user who made it, as a number, or empty if it is ours and
	// only its mode lets others write.
	Owner string
}

func (e *NotOursError) Error() string {
	if e.Owner != "" {
		return fmt.Sprintf("%s: made by another user (%s) in %s, where anybody may create files", e.Path, e.Owner, e.Dir)
	}
	return fmt.Sprintf("%s: anybody may write to it, and to %s", e.Path, e.Dir)
}

// CheckOwner returns a *NotOursError for a mailbox, a file or a directory, that
// another user planted. Info is of the path itself. Root's files count as ours,
// and for root those whose owner has the file's name, as in /var/mail.
func CheckOwner(path string, info fs.FileInfo) error {
	dir := filepath.Dir(path)
	parent, err := os.Stat(dir)
	if err != nil || parent.Mode().Perm()&0o002 == 0 {
		return err
	}
	e := &NotOursError{Path: path, Dir: dir}
	if owner, ok := foreignOwner(info, filepath.Base(path)); ok {
		e.Owner = owner
		return e
	}
	// Without the sticky bit others may replace the file whatever its mode, and
	// file systems without modes (exFAT, DrvFs) show such directories.
	if parent.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&0o002 != 0 {
		return e
	}
	return nil
}
