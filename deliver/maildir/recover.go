package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// intent is the promise to rename one staged file.
type intent struct {
	path     string // the Maildir, absolute
	tmp, new string // base names in tmp/ and new/
	// inode is the file number of tmp/ when the file was staged; 0 if the
	// system has none. It tells this Maildir from another one at its path:
	// an empty one made while the volume was not mounted, or a backup.
	inode uint64
}

// intentVersion begins an encoded intent.
const intentVersion = "maildir1"

// encode joins with NUL, the one byte that no path holds.
func (i intent) encode() []byte {
	return []byte(strings.Join([]string{
		intentVersion, i.path, i.tmp, i.new, strconv.FormatUint(i.inode, 10),
	}, "\x00"))
}

func decodeIntent(data []byte) (i intent, err error) {
	f := strings.Split(string(data), "\x00")
	if len(f) != 5 || f[0] != intentVersion {
		return i, errors.New("not an intent of this version")
	}
	i = intent{path: f[1], tmp: f[2], new: f[3]}
	i.inode, err = strconv.ParseUint(f[4], 10, 64)
	if err != nil || !filepath.IsAbs(i.path) || filepath.Base(i.tmp) != i.tmp || filepath.Base(i.new) != i.new {
		return i, errors.New("damaged")
	}
	if _, ok := parseName(i.tmp); !ok {
		return i, errors.New("damaged")
	}
	if _, ok := parseName(i.new); !ok {
		return i, errors.New("damaged")
	}
	return i, nil
}

// Recover is the deliver.RecoverFunc of Kind. It finishes what Publish did not:
//
//   - The staged file is there: it is renamed now. Visible.
//   - It is not there: our own rename did it, because nobody else touches the
//     file. Visible, whatever a mail reader did with the message since.
//   - But if the intent is older than 36 hours, when readers may sweep tmp/,
//     or tmp/ is not the directory that it was, its absence proves nothing:
//     the message is looked up in new/ and cur/. Visible if it is found, else
//     Absent: rather twice than never.
//   - The Maildir itself is missing, as when its volume is not mounted: an
//     error, because the answer lies on that volume. Where the Maildir was
//     removed for good, an empty one in its place settles the intent.
func Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	return recoverAt(ctx, i, time.Now())
}

func recoverAt(ctx context.Context, i deliver.Intent, now time.Time) (deliver.Fate, error) {
	if err := ctx.Err(); err != nil {
		return deliver.Unknown, err
	}
	in, err := decodeIntent(i.Data)
	if err != nil {
		return deliver.Unknown, fmt.Errorf("maildir intent: %w", err)
	}
	fate, err := in.settle(now)
	if err == nil {
		return fate, nil
	}
	class, hint := classify(err)
	if errors.Is(err, fs.ErrNotExist) {
		hint = "mount its volume; if the Maildir was removed for good, make an empty one there with tmp, new and cur"
	}
	return deliver.Unknown, &deliver.Error{Class: class, Err: fmt.Errorf("maildir %s: %w", in.path, err), Hint: hint}
}

func (i intent) settle(now time.Time) (deliver.Fate, error) {
	dir, err := checkDirs(i.path)
	if err != nil {
		return deliver.Unknown, err
	}
	err = publish(i.path, i.tmp, i.new)
	switch {
	case err == nil:
		if n, ok := parseName(i.new); ok {
			size, _ := n.size()
			appendQuota(i.path, []staged{{size: size}})
		}
		return i.visible()
	case errors.Is(err, fs.ErrExist):
		// The name is this message's alone, so a link of it is visible.
		if err := os.Remove(filepath.Join(i.path, "tmp", i.tmp)); err != nil {
			return deliver.Unknown, err
		}
		return i.visible()
	case !errors.Is(err, fs.ErrNotExist):
		return deliver.Unknown, err
	}
	// new/ may be what does not exist, if it went just now.
	if _, err := checkDirs(i.path); err != nil {
		return deliver.Unknown, err
	}
	if i.proves(dir, now) {
		return i.visible()
	}
	n, _ := parseName(i.new)
	where, err := find(i.path, n.receipt)
	if err != nil {
		return deliver.Unknown, err
	}
	if where == "" {
		return deliver.Absent, nil
	}
	return i.visible()
}

// proves reports whether the absence of the staged file means that it was
// published.
func (i intent) proves(tmp fs.FileInfo, now time.Time) bool {
	n, ok := parseName(i.tmp)
	inode, _ := fileID(tmp)
	return ok && !stale(n.seconds, now) && inode == i.inode
}

// visible makes the rename durable, which a killed Publish may not have done.
func (i intent) visible() (deliver.Fate, error) {
	if err := syncNew(i.path); err != nil {
		return deliver.Unknown, err
	}
	return deliver.Visible, nil
}

// checkDirs makes sure that the Maildir is there, whole and on one file system
// (its directories may be symbolic links), and describes tmp/.
func checkDirs(path string) (tmp fs.FileInfo, err error) {
	var devices [3]uint64
	for i, sub := range []string{"cur", "new", "tmp"} {
		dir := filepath.Join(path, sub)
		if tmp, err = os.Stat(dir); err != nil {
			return nil, err
		}
		if !tmp.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
		}
		_, devices[i] = fileID(tmp)
	}
	if devices[1] != devices[2] {
		return nil, fmt.Errorf("from tmp to new: %w", syscall.EXDEV)
	}
	return tmp, nil
}
