package mbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mailhaul/mailhaul/deliver"
)

var _ deliver.Resident = (*Deliverer)(nil)

// Resume implements deliver.Resident.
func (d *Deliverer) Resume(p deliver.Past) { d.past = p }

// Create implements deliver.Resident.
func (d *Deliverer) Create(ctx context.Context) error {
	path, err := resolve(d.opts.Path)
	if err != nil {
		return err
	}
	t, err := d.lock(ctx, path)
	if err != nil {
		return err
	}
	return t.close()
}

// Place implements deliver.Resident; empty if the file is missing.
func (d *Deliverer) Place() string {
	path, err := resolve(d.opts.Path)
	if err != nil || missing(path) {
		return ""
	}
	return placeOf(path)
}

// placeOf identifies the directory of an mbox, which is another one while its
// volume is not mounted. Empty if the system has no file numbers.
func placeOf(path string) string {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return ""
	}
	if n := inode(info); n != 0 {
		return fmt.Sprint("inode ", n)
	}
	return ""
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// removedByReader reports whether an mbox that is missing was removed by a mail
// reader, as POSIX mailx does with an empty one: it is still the same
// directory.
func removedByReader(path, place string) bool { return place != "" && placeOf(path) == place }

// gone returns an error if the file has received mail and is missing, but not
// because a mail reader removed it.
func (d *Deliverer) gone(path string) error {
	if !d.past.Delivered || !missing(path) || removedByReader(path, d.past.Place) {
		return nil
	}
	return cannotCreate(&deliver.GoneError{Path: path})
}
