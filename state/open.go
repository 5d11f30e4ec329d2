package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// lockRetry is how often a held lock is tried again.
	lockRetry = 50 * time.Millisecond
	// allocSize is by how much a larger file grows at a time. bbolt's default
	// of 16 MiB would be most of the file for most mailboxes.
	allocSize = 512 << 10
	// mapSize is how much of a new file is mapped, and so how large it is made
	// at once (most of it a hole). bbolt begins with 32 KiB and doubles, each
	// time with an fsync and a new mapping, while a run waits.
	mapSize = 128 << 10
)

// Options says how to open a state file.
type Options struct {
	// Wait is how long to wait for another process's lock; 0: not at all.
	Wait time.Duration
	// ReadOnly opens an existing file under a shared lock: it still waits for
	// a run in another process, and Apply fails.
	ReadOnly bool
}

// DB is an open state file. Its methods may be called from any goroutine.
type DB struct {
	bolt *bbolt.DB
	path string
	file *os.File // bolt's
	// version is the file's format, once it is open.
	version int
	// sound are the buckets that Apply has checked whole, and soundPages those of
	// the entries. bbolt's writer has them to itself.
	sound      map[string]bool
	soundPages map[uint64]bool
	// broken: bbolt met damage and panicked, maybe with its locks held. It is
	// not called again.
	broken atomic.Bool
	// closing: the file may have been replaced by a dense copy.
	closing atomic.Bool
}

// Open is OpenContext without a context.
func Open(path string, o Options) (*DB, error) { return OpenContext(context.Background(), path, o) }

// OpenContext opens the state file at path and locks it. Unless ReadOnly it
// creates the directory (0700) and the file (0600) if missing, and upgrades an
// older format. Its errors are *FileError, or ctx.Err() when a done ctx ends the
// wait for the lock.
func OpenContext(ctx context.Context, path string, o Options) (*DB, error) {
	db, err := open(ctx, path, o, formatVersion, upgrades())
	return db, fileError(path, false, err)
}

func open(ctx context.Context, path string, o Options, version int, steps map[int]upgrade) (*DB, error) {
	if !o.ReadOnly {
		if err := create(path, version); err != nil {
			return nil, err
		}
	}
	db, err := lock(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if err := db.check(version, steps); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// lock tries until the lock is ours, the wait is over, or ctx is done.
func lock(ctx context.Context, path string, o Options) (*DB, error) {
	deadline := time.Now().Add(o.Wait)
	for {
		db, err := openBolt(path, o.ReadOnly)
		if err == nil {
			return db, nil
		}
		left := time.Until(deadline)
		if !errors.Is(err, ErrLocked) || left <= 0 {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", path, ctx.Err())
		case <-time.After(min(lockRetry, left)):
		}
	}
}

// openBolt makes one attempt. A file that was deleted or replaced between its
// opening and its locking counts as locked: to write to it would lose all.
func openBolt(path string, readOnly bool) (db *DB, err error) {
	var file *os.File
	defer faultsPanic()()
	defer func() {
		if err != nil && file != nil {
			defer unlocker(file)()
			_ = file.Close() // bbolt leaves it open, and locked, when it panics
		}
	}()
	defer contain(&err)
	b, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         1, // one attempt: bbolt gives up when less than its retry interval is left
		ReadOnly:        readOnly,
		InitialMmapSize: mapSize,
		FreelistType:    bbolt.FreelistMapType,
		NoStatistics:    true,
		NoFreelistSync:  false, // else each open of a large file would scan it
		OpenFile: func(name string, flag int, _ os.FileMode) (*os.File, error) {
			var err error
			if file, err = os.OpenFile(name, flag, 0o600); err != nil {
				return nil, err
			}
			return file, lockAndCheck(file, readOnly)
		},
	})
	switch {
	case err == nil:
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, ErrLocked):
		return nil, ErrLocked
	case errors.Is(err, ErrNotState), isSystem(err):
		return nil, err
	default:
		return nil, ErrNotState // bbolt's words for it ("invalid database") say no more
	}
	b.AllocSize = allocSize
	b.NoSync = fault.Mutated("no-commit-sync")
	if !stillAt(path, file) {
		_ = b.Close()
		return nil, ErrLocked
	}
	return &DB{bolt: b, path: path, file: file, sound: map[string]bool{}, soundPages: map[uint64]bool{}}, nil
}

// lockAndCheck finds out whether bbolt may open the file. The lock is the one
// that bbolt then takes.
func lockAndCheck(f *os.File, shared bool) error {
	if err := tryLock(f, shared); err != nil || !locksTwice {
		return err // unlocked, a page may be half written; checkPages looks at it later
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return precheck(f, fi.Size())
}

func stillAt(path string, file *os.File) bool {
	have, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(have, named)
}

// isSystem distinguishes errors of the system from bbolt's verdicts on the content.
func isSystem(err error) bool {
	var pe *fs.PathError
	var se *os.SyscallError
	return errors.As(err, &pe) || errors.As(err, &se) || isErrno(err)
}

// Close ends the use of the file and its lock. Idempotent. It waits for open
// transactions, but not in a file that turned out to be damaged: there only
// the lock is given up, and bbolt's mapping stays until the process ends.
func (db *DB) Close() error {
	if !db.broken.Load() && !db.bolt.IsReadOnly() {
		_ = db.compact() // the old file is as good
	}
	defer unlocker(db.file)()
	if !db.broken.Load() {
		return db.bolt.Close()
	}
	if err := db.file.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// contain is for a deferred call around calls into bbolt: see the function of
// that name.
func (db *DB) contain(err *error) {
	if recover() != nil {
		db.broken.Store(true)
		*err = errPage
	}
}

// Path returns the path that the file was opened at.
func (db *DB) Path() string { return db.path }

// sweepNew removes the files that killed processes left while they created the
// state file, which takes less than a second.
func sweepNew(path string, now time.Time) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing depends on it
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), base+".")
		info, err := e.Info()
		if ours && err == nil && strings.HasSuffix(rest, ".new") && now.Sub(info.ModTime()) > time.Minute {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// create makes a complete, empty state file unless path exists. It is built
// under another name and linked into place: a full disk or a kill halfway
// leaves no half-made file that later runs would have to refuse.
func create(path string, version int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	dir := filepath.Dir(path)
	if err := durable.MkdirAllQuiet(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.new") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	db, err := openBolt(tmp.Name(), false)
	if err != nil {
		return err
	}
	db.bolt.NoSync = true // once, at the end
	err = db.bolt.Update(func(tx *bbolt.Tx) error { return format(tx, version) })
	if err == nil {
		err = db.bolt.Sync()
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := place(tmp.Name(), path); err != nil {
		return err
	}
	sweepNew(path, time.Now())
	// An intent is durable only if its file has a durable name.
	return durable.SyncDirQuiet(dir)
}

// place gives tmp the name path unless another process was faster. Where the
// file system has no links, the file at path is created by opening it.
func place(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

const (
	dbSuffix     = ".db"
	statusSuffix = ".status"
)

// Path returns the state file of the maildrop id in dir: DIR/<escaped id>.db.
// The escape is reversible, keeps letter case, and makes any id one file name:
// bytes outside letters, digits and "@._+=,-" become %XX, and so does a
// leading dot.
func Path(dir, id string) string { return filepath.Join(dir, escape(id)+dbSuffix) }

// StatusPath returns the status file of the maildrop id in dir.
func StatusPath(dir, id string) string { return filepath.Join(dir, escape(id)+statusSuffix) }

func escape(id string) string {
	if id == "" {
		return "%" // no other id gives this
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; plain(c) && (i > 0 || c != '.') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("@._+=,-", c) >= 0
}
