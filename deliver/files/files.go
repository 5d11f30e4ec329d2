// Package files writes the attachments of messages to a directory, for scanners and
// programs that read invoices.
//
// An attachment is staged as a hidden file of the directory and gets its name in one
// step. A file of the same content under that name is this attachment; one of other
// content is never replaced: the attachment gets a number. A message without
// attachments is delivered: there is nothing to do.
//
// What cannot be read as MIME to its end, has an attachment that cannot be decoded, or
// too many parts, is refused for good: half an invoice is worse than none.
package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

// Kind is the Intent.Kind of this package.
const Kind = "files"

// Options describe one directory. They are not changed after New.
type Options struct {
	// Dir is the directory, absolute; it is made if it is missing.
	Dir string
	// Match are patterns of path.Match for the names of attachments, in any case of
	// letters; none: all.
	Match []string
	// Inline also takes named parts that are to be shown within the text.
	Inline bool
}

// Deliverer delivers to one directory. It implements deliver.Deliverer,
// deliver.Resident and deliver.Sweeper.
type Deliverer struct {
	o Options

	mu   sync.Mutex
	past deliver.Past
}

// New returns a Deliverer. It touches nothing.
func New(o Options) *Deliverer { return &Deliverer{o: o} }

// Resume implements deliver.Resident.
func (d *Deliverer) Resume(p deliver.Past) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = p
}

// Create implements deliver.Resident.
func (d *Deliverer) Create(context.Context) error {
	if err := durable.MkdirAll(d.o.Dir, 0o750); err != nil {
		return d.failure(err)
	}
	return nil
}

// Place implements deliver.Resident.
func (d *Deliverer) Place() string { return "" }

// Begin opens a batch, and makes the directory if it is missing and has never received
// anything.
func (d *Deliverer) Begin(ctx context.Context) (deliver.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, d.failure(err)
	}
	d.mu.Lock()
	past := d.past
	d.mu.Unlock()
	if _, err := os.Stat(d.o.Dir); past.Delivered && errors.Is(err, fs.ErrNotExist) {
		return nil, &deliver.Error{Class: deliver.CannotCreate, Err: &deliver.GoneError{Path: d.o.Dir}}
	}
	if err := d.Create(ctx); err != nil {
		return nil, err
	}
	return &batch{d: d, prefix: prefix(past.Owner)}, nil
}

// Close does nothing. Idempotent.
func (d *Deliverer) Close() error { return nil }

// prefix begins the names of what a maildrop stages. No other run of it is under way.
func prefix(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return ".mailhaul-" + hex.EncodeToString(sum[:6]) + "-"
}

// Sweep implements deliver.Sweeper.
func (d *Deliverer) Sweep() {
	d.mu.Lock()
	owner := d.past.Owner
	d.mu.Unlock()
	if owner == "" {
		return
	}
	entries, _ := os.ReadDir(d.o.Dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix(owner)) {
			_ = os.Remove(filepath.Join(d.o.Dir, e.Name()))
		}
	}
}

// Error is a failed step in a directory, or what is wrong with a message.
type Error struct {
	Dir string
	Err error
}

func (e *Error) Error() string { return "files " + e.Dir + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// failure is the *deliver.Error of an error. One that it does not know is an I/O error,
// which stops the run.
func (d *Deliverer) failure(err error) error {
	class := deliver.IOError
	switch {
	case errors.As(err, new(*MIMEError)):
		class = deliver.Never
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		class = deliver.Later
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		class = deliver.Unavailable
	}
	for _, cause := range []error{syscall.EROFS, fs.ErrPermission, syscall.ENOTDIR, syscall.ELOOP, fs.ErrNotExist} {
		if errors.Is(err, cause) {
			class = deliver.CannotCreate
		}
	}
	return &deliver.Error{Class: class, Err: &Error{d.o.Dir, err}}
}
