package mbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

// Kind is the Kind of this package's intents.
const Kind = "mbox"

// DefaultLockTimeout is how long Prepare waits for the locks of the file when
// Options.LockTimeout is zero.
const DefaultLockTimeout = 60 * time.Second

// Format is a dialect of mbox; see the package comment.
type Format uint8

const (
	// MBOXRD quotes reversibly.
	MBOXRD Format = iota
	// MBOXO quotes "From " only.
	MBOXO
	// MBOXCL2 has a Content-Length field and no quoting of the body.
	MBOXCL2
)

// String names it as people do.
func (f Format) String() string {
	return [...]string{"mboxrd", "mboxo", "mboxcl2"}[min(f, MBOXCL2)]
}

// Options says where and how to deliver.
type Options struct {
	// Path is the mbox file. It is created (0600; missing parents 0700) when
	// the first batch is prepared.
	Path   string
	Format Format
	// LockTimeout is how long to wait for another program's lock; zero means
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// TempDir is where batches are staged; empty means os.TempDir().
	TempDir string
	// Log gets warnings; nil means none.
	Log *slog.Logger
}

// Deliverer delivers to one mbox file. It implements deliver.Deliverer.
type Deliverer struct {
	opts    Options
	warning sync.Once
	sweep   sync.Once

	past deliver.Past

	mu     sync.Mutex
	open   map[*batch]struct{}
	closed bool
}

// New returns a Deliverer; it does not touch the file yet. Two Deliverers may
// share a file, in one process or in several, but one batch waits for the other
// in Prepare: do not prepare two batches for one file in one goroutine.
func New(o Options) *Deliverer {
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Deliverer{opts: o, open: make(map[*batch]struct{})}
}

// Begin opens a batch. It refuses a path that is not fit to be an mbox
// (CannotCreate) before anything is fetched for it; it takes no lock.
func (d *Deliverer) Begin(ctx context.Context) (deliver.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, &deliver.Error{Class: deliver.Later, Err: err}
	}
	path, err := resolve(d.opts.Path)
	if err != nil {
		return nil, err
	}
	if err := d.gone(path); err != nil {
		return nil, err
	}
	sp, err := newSpool(d.opts.TempDir)
	if err != nil {
		return nil, cannotCreate(&deliver.TempError{Err: err})
	}
	b := &batch{d: d, path: path, spool: sp}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(errors.New("mbox: deliverer is closed"), sp.close())
	}
	d.open[b] = struct{}{}
	return b, nil
}

// Close releases the locks and temporary files of batches that were neither
// published nor aborted (their intents may be recorded: the mbox itself is left
// as it is). Call it when no call of a Batch is under way.
func (d *Deliverer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var errs []error
	for b := range d.open {
		errs = append(errs, b.release())
	}
	clear(d.open)
	return errors.Join(errs...)
}

func (d *Deliverer) forget(b *batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, b)
}

// lock opens the file of a batch, creating it if it is missing, and locks it.
func (d *Deliverer) lock(ctx context.Context, path string) (*target, error) {
	if err := d.gone(path); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, cannotCreate(err)
	}
	d.sweep.Do(func() { sweepLocks(path, time.Now()) })
	return lockFile(ctx, locker{path: path, create: true, timeout: d.opts.LockTimeout, warn: func(err error) {
		d.warning.Do(func() {
			d.opts.Log.Warn("mbox without a dotlock: its directory cannot be written to", "path", d.opts.Path, "err", err)
		})
	}})
}

func cannotCreate(err error) *deliver.Error {
	return &deliver.Error{Class: deliver.CannotCreate, Err: err}
}

func ioError(err error) *deliver.Error { return &deliver.Error{Class: deliver.IOError, Err: err} }

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
	if n, _, _ := durable.FileID(info); n != 0 {
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
