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
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// intent is the promise to rename one staged file.
type intent struct {
	path     string // the Maildir, absolute
	tmp, new string // base names in tmp/ and new/
	// inode is the file number of tmp/ when the file was staged; 0 if the
	// system has none. It distinguishes this Maildir from another one at its path:
	// an empty one made while the volume was not mounted, or a backup.
	inode uint64
	// epoch is durable.Epoch of tmp/ then; empty: unknown.
	epoch string
	// began and owner name the marks, see marksName.
	began int64
	owner string
}

// An encoded intent begins with intentVersion. What oldVersion begins was
// written by mailhaul 1 and ends with the inode.
const (
	intentVersion = "maildir2"
	oldVersion    = "maildir1"
)

// encode joins with NUL, the one byte that no path holds.
func (i intent) encode() []byte {
	return []byte(strings.Join([]string{
		intentVersion, i.path, i.tmp, i.new, strconv.FormatUint(i.inode, 10), i.epoch, strconv.FormatInt(i.began, 10), i.owner,
	}, "\x00"))
}

func decodeIntent(data []byte) (i intent, err error) {
	f := strings.Split(string(data), "\x00")
	switch {
	case f[0] == intentVersion && len(f) == 8:
	case f[0] == oldVersion && len(f) == 5:
		f = append(f, "", "0", "")
	default:
		return i, errors.New("not an intent of this version")
	}
	i = intent{path: f[1], tmp: f[2], new: f[3], epoch: f[5], owner: f[7]}
	inode, errInode := strconv.ParseUint(f[4], 10, 64)
	began, errBegan := strconv.ParseInt(f[6], 10, 64)
	i.inode, i.began = inode, began
	if errInode != nil || errBegan != nil || !i.sound() {
		return i, errors.New("damaged")
	}
	return i, nil
}

func (i intent) sound() bool {
	_, staged := parseName(i.tmp)
	_, delivered := parseName(i.new)
	_, marked := parseName(i.marks())
	return filepath.IsAbs(i.path) && staged && delivered && marked &&
		filepath.Base(i.tmp) == i.tmp && filepath.Base(i.new) == i.new && isOwnerField(i.owner)
}

// marks is the base name of the marks file of the run that staged the message.
func (i intent) marks() string {
	n, _ := parseName(i.tmp)
	return marksName(i.began, n, i.owner)
}

// Recover is the deliver.RecoverFunc of Kind. It finishes what Publish did not:
//
//   - The staged file is there: it is renamed now. Visible.
//   - It is not there, but marked as published: Visible, whatever a mail reader
//     did with the message since.
//   - Else its absence proves nothing: tmp/ may have been emptied. The message
//     is looked up in new/ and cur/. Visible if it is found, else Absent:
//     a duplicate is better than a loss.
//   - The marks count only in the epoch in which they were written (see
//     durable.Epoch), in the same tmp/, and for 36 hours, after which readers
//     may sweep tmp/. Otherwise the look-up comes first of all: a power loss
//     can have kept the old entry of a rename, the new one, both or none.
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
	return deliver.Unknown, &deliver.Error{Class: classify(err), Err: &Error{Path: in.path, Recovering: true, Err: err}}
}

func (i intent) settle(now time.Time) (deliver.Fate, error) {
	dir, err := checkDirs(i.path)
	if err != nil {
		return deliver.Unknown, err
	}
	var m *marks
	if i.unbroken(dir, now) {
		m = openMarks(filepath.Join(i.path, "tmp", i.marks()))
		defer m.close()
	} else if found, err := i.lookUp(); found || err != nil {
		return i.found(err)
	}
	n, _ := parseName(i.new)
	err = publish(i.path, i.tmp, i.new)
	switch {
	case err == nil:
		m.set(n.number())
		size, _ := n.size()
		appendQuota(i.path, []staged{{size: size}})
		return i.visible()
	case errors.Is(err, fs.ErrExist):
		// The name is this message's alone, so a link of it is visible.
		return i.found(nil)
	case !errors.Is(err, fs.ErrNotExist):
		return deliver.Unknown, err
	}
	// new/ may be what does not exist, if it went just now.
	if _, err := checkDirs(i.path); err != nil {
		return deliver.Unknown, err
	}
	if m.has(n.number()) || fault.Mutated("absence-proves") {
		return i.visible()
	}
	found, err := i.lookUp()
	if err == nil && !found {
		return deliver.Absent, nil
	}
	m.set(n.number())
	return i.found(err)
}

// unbroken reports whether nothing that was done in tmp/ since the file was
// staged can have been lost, or swept by a mail reader.
func (i intent) unbroken(tmp fs.FileInfo, now time.Time) bool {
	n, _ := parseName(i.tmp)
	inode, _, _ := durable.FileID(tmp)
	return inode == i.inode && i.epoch != "" && i.epoch == durable.Epoch(filepath.Join(i.path, "tmp")) && !stale(n.seconds, now)
}

// lookUp reports whether the message is in new/ or cur/.
func (i intent) lookUp() (bool, error) {
	if _, err := os.Lstat(filepath.Join(i.path, "new", i.new)); err == nil {
		return true, nil // it is here as long as no mail reader has moved it
	}
	n, _ := parseName(i.new)
	where, err := find(i.path, n.receipt)
	return where != "", err
}

// found settles a message that is in new/ or cur/: nothing of it may stay in
// tmp/, where the next recovery would publish it again.
func (i intent) found(err error) (deliver.Fate, error) {
	if err == nil {
		err = durable.Remove(filepath.Join(i.path, "tmp", i.tmp))
	}
	if err != nil {
		return deliver.Unknown, err
	}
	return i.visible()
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
		_, devices[i], _ = durable.FileID(tmp)
	}
	if devices[1] != devices[2] {
		return nil, fmt.Errorf("from tmp to new: %w", syscall.EXDEV)
	}
	return tmp, nil
}
