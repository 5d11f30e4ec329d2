// Package maildir delivers into a Maildir (https://cr.yp.to/proto/maildir.html).
//
// A message is written to tmp/ (Add), made durable there with its batch
// (Prepare), and renamed into new/ (Publish), which is then made durable once
// for the batch. It is a rename and not link and unlink: a process killed
// between those two, with a mail reader at work, would publish a copy again.
//
// Names. A staged file is STAGED.R<16 hex>Q<n>.HOST, a delivered one
// DATE.R<16 hex>Q<n>.HOST,S=SIZE; R are 64 random bits of the Deliverer, Q
// counts its messages, STAGED and DATE are seconds since 1970 of the staging
// and of the message (Envelope.Date, also the file's mtime), and SIZE is the
// file's size, which Dovecot relies on. A mail reader later adds ":2,FLAGS".
//
// A Receipt is the delivered name up to HOST: "DATE.R<16 hex>Q<n>", short
// because the state keeps one a message. With the random bits it names one
// file of the Maildir, whatever was done to it in new/ or cur/ (Index).
package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

// Kind is the Intent.Kind of this package.
const Kind = "maildir"

// bufferSize is what Add reads and writes at a time.
const bufferSize = 64 << 10

// Options say where to deliver.
type Options struct {
	// Path is the Maildir, with ~ and variables expanded. It is created if it
	// is missing, with tmp, new and cur, mode 0700.
	Path string
	// Host is the host part of names. Empty: this machine's name.
	Host string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Syncer is shared with other deliverers that run at the same time. Nil:
	// one of its own.
	Syncer *durable.Syncer
}

// Deliverer delivers into one Maildir. Several, in one process or in many, may
// share a Maildir.
type Deliverer struct {
	path    string
	host    string // escaped
	now     func() time.Time
	random  string // "R" and 64 bits in hex
	counter atomic.Uint64
	syncer  *durable.Syncer
	buffers sync.Pool // *[bufferSize]byte

	mu    sync.Mutex
	ready bool // the Maildir was checked and swept
	past  deliver.Past
	marks *os.File // locked, once there is something to mark
	began int64    // in their name
}

// New returns a deliverer. It touches nothing: the first Begin does.
func New(o Options) *Deliverer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // escapeHost has an answer to ""
	}
	o.Syncer = cmp.Or(o.Syncer, new(durable.Syncer))
	return &Deliverer{
		path:    o.Path,
		host:    escapeHost(o.Host),
		now:     o.Now,
		syncer:  o.Syncer,
		random:  newRandom(),
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
	}
}

// Resume implements deliver.Resident.
func (d *Deliverer) Resume(p deliver.Past) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = p
}

// Create implements deliver.Resident. It removes nothing: intents may be open.
func (d *Deliverer) Create(context.Context) error {
	path, err := filepath.Abs(d.path)
	if err == nil {
		err = makeDirs(path)
	}
	if err != nil {
		return d.failure("", err)
	}
	return nil
}

// Place implements deliver.Resident: mail readers never remove a Maildir, so its
// place does not matter.
func (d *Deliverer) Place() string { return "" }

// Begin opens a batch. The first one creates the Maildir if it is missing,
// checks that it can be written, and removes this host's staged files that are
// older than 36 hours. Errors are of class CannotCreate or IOError.
func (d *Deliverer) Begin(ctx context.Context) (deliver.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, &deliver.Error{Class: deliver.Later, Err: err}
	}
	path, err := d.prepareMaildir()
	if err != nil {
		return nil, d.failure("", err)
	}
	tmp, err := checkDirs(path)
	if err != nil {
		return nil, d.failure("", err)
	}
	group, err := d.syncer.Open(filepath.Join(path, "tmp"))
	if err != nil {
		return nil, d.failure("", err)
	}
	inode, _, _ := durable.FileID(tmp)
	in := intent{path: path, inode: inode, epoch: durable.Epoch(filepath.Join(path, "tmp"))}
	b := &batch{d: d, path: path, where: in, group: group, shares: new(atomic.Int32)}
	b.shares.Store(1)
	return b, nil
}

// Close removes the marks. A later recovery searches for the messages instead.
func (d *Deliverer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.marks
	d.marks = nil
	if m == nil {
		return nil
	}
	if err := errors.Join(m.Close(), durable.Remove(m.Name())); err != nil {
		return d.failure("", err)
	}
	return nil
}

// startMarks makes the marks of all batches, once, and returns what is in their
// name.
func (d *Deliverer) startMarks(path string, staged name) (began int64, owner string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	owner = ownerField(d.past.Owner)
	if d.marks == nil {
		d.began = seconds(d.now())
		d.marks, err = createMarks(filepath.Join(path, "tmp", marksName(d.began, staged, owner)))
	}
	return d.began, owner, err
}

// prepareMaildir returns the Maildir's absolute path. Only the first success
// looks at the disk; a Maildir removed later is an error of the next step.
func (d *Deliverer) prepareMaildir() (string, error) {
	path, err := filepath.Abs(d.path)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready {
		return path, nil
	}
	if d.path == "" {
		return "", errors.New("no path")
	}
	if d.past.Delivered && gone(path) {
		return "", &deliver.GoneError{Path: path}
	}
	if err := makeDirs(path); err != nil {
		return "", err
	}
	d.sweep(filepath.Join(path, "tmp"))
	d.ready = true
	return path, nil
}

// makeDirs makes the Maildir's directories, those that are missing.
func makeDirs(path string) error {
	for _, dir := range []string{path, filepath.Join(path, "tmp"), filepath.Join(path, "new"), filepath.Join(path, "cur")} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if err := durable.CheckOwner(dir, info); err != nil {
			return err
		}
		if err := writable(dir); err != nil {
			return &fs.PathError{Op: "write to", Path: dir, Err: err}
		}
	}
	return nil
}

// gone reports whether there is no Maildir at path. The path itself may exist: the
// mount point of a volume that is not mounted is an empty directory.
func gone(path string) bool {
	for _, sub := range []string{"new", "cur"} {
		if _, err := os.Stat(filepath.Join(path, sub)); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// failure is the *deliver.Error of an error.
func (d *Deliverer) failure(doing string, err error) error {
	if doing != "" {
		err = fmt.Errorf("%s: %w", doing, err)
	}
	if errors.As(err, new(*deliver.GoneError)) {
		return &deliver.Error{Class: classify(err), Err: err} // it names the path
	}
	return &deliver.Error{Class: classify(err), Err: &Error{Path: d.path, Err: err}}
}

// Error is a failed step on the Maildir at Path.
type Error struct {
	Path string
	// Recovering: an intent of an earlier run was to be settled.
	Recovering bool
	Err        error
}

func (e *Error) Error() string { return "maildir " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify returns the class of a failed step on the Maildir. An error that it does
// not know is an I/O error, which stops the run: the same step would fail for the
// next message, too.
func classify(err error) deliver.Class {
	switch {
	case errors.As(err, new(*durable.NotOursError)), errors.As(err, new(*deliver.GoneError)):
		return deliver.CannotCreate
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return deliver.Later
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return deliver.Unavailable
	}
	for _, cause := range []error{syscall.EROFS, fs.ErrPermission, syscall.ENOTDIR, syscall.EXDEV, syscall.ENAMETOOLONG, syscall.ELOOP, fs.ErrNotExist} {
		if errors.Is(err, cause) {
			return deliver.CannotCreate
		}
	}
	return deliver.IOError
}
