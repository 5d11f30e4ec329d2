package imap

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// Target delivers to one mailbox. It implements deliver.Deliverer and
// deliver.Recoverer.
type Target struct{ o Options }

// New returns the Target of a mailbox. It does not connect: Begin does.
func New(o Options) *Target { return &Target{o: o.withDefaults()} }

var errNotYet = errors.New("imap: not implemented yet")

// Begin implements deliver.Deliverer.
func (t *Target) Begin(context.Context) (deliver.Batch, error) { return nil, errNotYet }

// Close says LOGOUT and closes the connections. Idempotent.
func (t *Target) Close() error { return nil }

// Recover implements deliver.Recoverer: it looks the message up in the mailbox.
func (t *Target) Recover(context.Context, deliver.Intent) (deliver.Fate, error) {
	return deliver.Unknown, errNotYet
}

// Recover gives up an intent whose target is not configured any more: nobody can
// look.
func Recover(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.Unknown, nil }

// RecoverSkip settles an intent of SkipKind: there was nothing to deliver.
func RecoverSkip(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.Visible, nil }

// Reader reads back what was delivered to a mailbox. For one goroutine.
type Reader struct{}

// Open connects for reading back. The error is fs.ErrNotExist if the mailbox is not
// there.
func Open(context.Context, Options) (*Reader, error) { return nil, errNotYet }

// Copy writes the message of a receipt to w, with LF line ends, and says where it is:
// "INBOX uid 17", with what the server is known to have changed. If it is not there, one with this
// sum (SHA-256 with LF line ends) is looked for in all mailboxes. The error is
// fs.ErrNotExist if there is none.
func (r *Reader) Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (where string, err error) {
	return "", errNotYet
}

// Close says LOGOUT and closes the connection.
func (r *Reader) Close() error { return nil }

// SameBy says how a message that the mailbox has already is recognised.
type SameBy uint8

const (
	// SameContent compares every byte.
	SameContent SameBy = iota
	// SameMessageID compares the Message-ID field.
	SameMessageID
)

// NewDedupe delivers into t what the mailbox does not hold yet. With tag set a
// duplicate is delivered all the same, with a field that names the message it
// repeats; that needs SameMessageID.
func NewDedupe(t *Target, by SameBy, tag bool) deliver.Deliverer { return t }

// Step is one step of Probe.
type Step struct {
	// Name is connect, greeting, starttls, login, mailbox, quota or limits.
	Name, Detail string
	Err          error
	Took         time.Duration
}

// Probe walks to the mailbox as a delivery does, tells each step, and changes nothing: a
// mailbox that is missing is only reported.
func Probe(ctx context.Context, o Options, step func(Step)) error { return errNotYet }
