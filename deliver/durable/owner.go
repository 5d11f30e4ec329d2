package durable

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

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
