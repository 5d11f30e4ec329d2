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
// file of the Maildir, whatever was done to it in new/ or cur/ (Open, Index).
package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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
}

// New returns a deliverer. It touches nothing: the first Begin does.
func New(o Options) *Deliverer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // escapeHost has an answer to ""
	}
	if o.Syncer == nil {
		o.Syncer = new(durable.Syncer)
	}
	return &Deliverer{
		path:    o.Path,
		host:    escapeHost(o.Host),
		now:     o.Now,
		syncer:  o.Syncer,
		random:  newRandom(),
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
	}
}

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
	inode, _ := fileID(tmp)
	return &batch{d: d, path: path, inode: inode, group: group}, nil
}

// Close does nothing: batches hold what is open.
func (d *Deliverer) Close() error { return nil }

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
	for _, dir := range []string{path, filepath.Join(path, "tmp"), filepath.Join(path, "new"), filepath.Join(path, "cur")} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if err := writable(dir); err != nil {
			return "", &fs.PathError{Op: "write to", Path: dir, Err: err}
		}
	}
	d.sweep(filepath.Join(path, "tmp"))
	d.ready = true
	return path, nil
}

// sweep removes what killed runs of this host left in tmp/, by the age that is
// part of the name: the file's own times may be the message's. An intent that
// old does not count on its staged file any more (see Recover). Nothing
// depends on the sweep, so what goes wrong is left for another time.
func (d *Deliverer) sweep(tmp string) {
	f, err := os.Open(tmp)
	if err != nil {
		return
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		if n, ok := parseName(name); ok && n.rest == "."+d.host && stale(n.seconds, d.now()) {
			_ = os.Remove(filepath.Join(tmp, name))
		}
	}
}

// failure says what an error means for the message or the run.
func (d *Deliverer) failure(doing string, err error) error {
	if doing != "" {
		err = fmt.Errorf("%s: %w", doing, err)
	}
	class, hint := classify(err)
	return &deliver.Error{Class: class, Err: fmt.Errorf("maildir %s: %w", d.path, err), Hint: hint}
}
