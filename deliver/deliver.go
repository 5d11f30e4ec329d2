// Package deliver is the contract between the engine and the places that
// messages go to. Its sub-packages implement it: maildir, mbox, smtp (SMTP
// and LMTP) and pipe; delivertest is the suite that each of them passes.
//
// Delivery is the participant's side of a two-phase commit. The engine opens
// a batch, adds messages, prepares it, records the returned intents durably,
// and only then publishes. A crash between the two leaves intents behind,
// which the next run hands to the RecoverFunc of their kind.
//
// The engine calls the methods of one Batch from one goroutine at a time, but
// it may stage the next batch of a Deliverer while the last one is being
// prepared and published.
package deliver

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"
)

// Envelope is what the engine knows about a message, apart from its bytes.
type Envelope struct {
	// Account is the account's name in the configuration.
	Account string
	// UID is the server's unique-id, or the engine's fingerprint for a server
	// without UIDL. It is foreign text: escape it before it names a file or
	// reaches a terminal.
	UID string
	// Size is the size that LIST announced, in octets. It is advice: servers
	// estimate. Negative when unknown.
	Size int64
	// MessageID is the value of its Message-ID field; empty if it has none.
	MessageID string
	// Date is when the message was received, from its topmost Received field,
	// else its Date field, else now; never zero, within sane bounds.
	Date time.Time
	// Sender is the address of the topmost Return-Path field without angle
	// brackets. It is meaningful only if HasSender: "" then means "<>".
	Sender    string
	HasSender bool
	// Recipients overrides the target's configured recipients (a shared
	// mailbox). Nil for the usual case.
	Recipients []string
	// Served are the recipients that have the message already: Error.Done of
	// an earlier run. A deliverer with recipients of its own leaves them out;
	// the others ignore it.
	Served []string
	// Copied returns, when Publish begins with the message, the recipients that have
	// got it by then through another copy of it. A deliverer with recipients leaves
	// these out as well. Nil: there is no such copy.
	Copied func() []string
}

// Rest are the recipients among to that have got no copy of the message, see Copied.
func (e *Envelope) Rest(to []string) []string {
	if e.Copied == nil {
		return to
	}
	has := e.Copied()
	return slices.DeleteFunc(slices.Clone(to), func(a string) bool {
		return slices.ContainsFunc(has, func(b string) bool { return strings.EqualFold(a, b) })
	})
}

// Deliverer is one configured target. Begin may be called again while an
// earlier batch is in Prepare or Publish.
type Deliverer interface {
	// Begin opens a batch. An error is an *Error whose class says whether
	// the run can go on.
	Begin(ctx context.Context) (Batch, error)
	// Close ends connections and releases files. Idempotent.
	Close() error
}

// BatchLimiter is implemented by a Deliverer whose Publish cannot be undone
// or looked up afterwards (a relay, a command). The engine puts at most
// MaxBatch messages in one batch, so that no more are at risk of a duplicate.
type BatchLimiter interface{ MaxBatch() int }

// Uploader is implemented by a Deliverer whose Publish waits for a server, so that
// each batch costs round trips. The engine collects the next batch for as long as one
// is being published, up to MaxUpload messages.
type Uploader interface{ MaxUpload() int }

// Resident is implemented by a Deliverer whose target stays on a disk of this
// machine: that it is gone says more than that it was never there.
type Resident interface {
	// Resume passes what is known from earlier runs. It is called once, before
	// the first Begin. If the target has received mail and is gone, Begin does
	// not make a new one: its error wraps a *GoneError.
	Resume(p Past)
	// Create makes the target if it is missing. It is called before Resume.
	Create(ctx context.Context) error
	// Place says where the target is now, as Past.Place of the next run; empty
	// if nothing is known. At most 255 bytes.
	Place() string
}

// Sweeper is implemented by a Deliverer whose killed runs leave staged files. Sweep
// removes them, and nothing of a run under way. It is called once the intents of the
// maildrop's earlier runs are settled, also in a run that delivers nothing.
type Sweeper interface{ Sweep() }

// Marker is implemented by a Deliverer whose target can keep whose mail it got. The
// engine then notices a state that was left behind when an account moved to another
// machine: all mail on the server would be delivered again.
type Marker interface {
	// Marked returns the file that says that mail of an account was delivered here;
	// empty if none says so.
	Marked(account string) (file string, err error)
	// Mark makes Marked say so, durably. It is called once messages were delivered.
	Mark(account string) error
}

// Past is what the state knows of a target.
type Past struct {
	// Owner names the maildrop's state, of which nobody else has a run under
	// way and no intent is open. Empty: there may be both.
	Owner string
	// Delivered: the target has received mail of this maildrop.
	Delivered bool
	// Place is what Resident.Place returned last; empty: unknown.
	Place string
}

// GoneError says that a target has received mail and is not there any more:
// its volume may not be mounted.
type GoneError struct{ Path string }

func (e *GoneError) Error() string {
	return e.Path + " has received mail and is gone: is its volume mounted?"
}

// Batch is a group of messages on their way to one target. The order of calls
// is Add*, then Prepare, then Publish; or Abort at any time before the intents
// of Prepare are offered to the state.
type Batch interface {
	// Add stages one message. The body has LF line ends (the engine turns the
	// CRLF of the wire into LF, and changes nothing else: a bare CR stays) and
	// is read to its end unless Add fails. Memory use does not depend on the
	// message's size. If reading body fails, Add returns that error unchanged
	// (errors.Is holds). A failed Add leaves the batch as it was before.
	Add(ctx context.Context, e Envelope, body io.Reader) error
	// Prepare makes everything that was added durable, directory entries
	// included, with nothing visible, and returns one intent a message in the
	// order of the successful Adds. After an error only Abort may be called.
	Prepare(ctx context.Context) ([]Intent, error)
	// Publish makes the messages visible, and that durable, and returns one
	// result a message in the order of the intents. Called once, after the
	// intents are durably recorded. A done ctx asks it to stop soon: messages
	// not yet begun get a result with Later.
	Publish(ctx context.Context) []Result
	// Abort removes what was added. Idempotent; never called once recording
	// the intents was attempted (design.md, law 6).
	Abort() error
}

// Divider is implemented by a Batch whose messages need not wait for one that
// is still being added.
type Divider interface {
	// Divide moves the first n messages that were added into a batch of their
	// own, which is prepared, published and aborted apart. It may be called
	// from another goroutine while an Add reads its body.
	Divide(n int) Batch
}

// Intent is a durable promise: enough to find out after a crash, without the
// configuration, whether one message became visible in one target.
type Intent struct {
	// Kind names the RecoverFunc: "maildir", "mbox", "smtp", "pipe".
	Kind string
	// Data is the deliverer's own encoding.
	Data []byte
	// Receipt is where the message will be once visible, as Result.Receipt.
	Receipt string
	// Skipped means that the target has the message already: Publish will add
	// nothing, and Receipt is where it is.
	Skipped bool
}

// Tagger is implemented by a Deliverer that may want a field at the top of a
// message. The engine asks before Add and puts the text, whole lines with LF,
// in front of the body, so that it is part of what was delivered.
type Tagger interface {
	Tag(ctx context.Context, e Envelope) (string, error)
}

// Result is the outcome of one message in one target. A nil Err means that it
// is visible, and durably so; otherwise Err is an *Error.
type Result struct {
	// Receipt says where the message is, for reading it back: the base name
	// of a Maildir file, offset and length in an mbox, a relay's reply. Empty:
	// the intent's Receipt holds. At most 255 bytes.
	Receipt string
	Err     error
	// StandIn: what is visible is not known to be the message as it was sent, see
	// the Fate of this name.
	StandIn bool
}

// Fate is what became of the message of an intent.
type Fate uint8

const (
	// Unknown: nobody can find out. The message is delivered again.
	Unknown Fate = iota
	// Absent: it did not become visible, and what was staged is gone. The
	// message is delivered again.
	Absent
	// Visible: it is visible and durably so, now if not before.
	Visible
	// StandIn: what is visible has marks of the message and other content: the
	// target made it anew, or it is somebody else's copy. The message is not
	// delivered again, and is never deleted from the server for it.
	StandIn
)

// RecoverFunc settles an intent left by a crash. It is given the intent only,
// must be idempotent (it may itself be killed and called again), and is called
// before any network use, while no batch of the kind is open. An error means
// that the intent must stay for a later run: the account is not fetched.
type RecoverFunc func(ctx context.Context, i Intent) (Fate, error)

// GiveUp is the RecoverFunc of a kind whose target cannot be asked, or is not configured
// any more: nobody knows whether the message arrived, so it is delivered again.
func GiveUp(context.Context, Intent) (Fate, error) { return Unknown, nil }

// TempError says that the temporary file of a batch failed.
type TempError struct{ Err error }

func (e *TempError) Error() string { return "temporary file: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TempError) Unwrap() error { return e.Err }

// Recoverer is implemented by a Deliverer that settles an intent of its own target
// with its login, as a RecoverFunc does. It is asked while the target is
// configured; the RecoverFunc of the kind is asked afterwards.
type Recoverer interface {
	Recover(ctx context.Context, i Intent) (Fate, error)
}

// Class says what a failed delivery means for the message and for the run.
type Class uint8

const (
	// Later: the target takes this message, but not now (4xx, EX_TEMPFAIL). It
	// stays on the server; others go on. However often it is said, it is never
	// a refusal for good.
	Later Class = iota
	// Never: the target refuses this message for good (5xx, EX_DATAERR).
	Never
	// Failed: the target said neither: it broke off, crashed or did not answer
	// while it had this message. It stays on the server, others go on, and
	// too many of these in a row are a refusal for good.
	Failed
	// CannotCreate: the target cannot be created or opened, or refuses what its
	// configuration says (a recipient, a name). A person has to change
	// something. The run stops.
	CannotCreate
	// IOError: writing failed (disk full, I/O error). The run stops.
	IOError
	// Unavailable: the target takes nothing now (relay down, mbox locked).
	// The run stops; a later one may work.
	Unavailable
	// Denied: the target does not let us in, or its certificate is not trusted. A
	// person has to change something. The run stops.
	Denied
)

// Error is a delivery's failure.
type Error struct {
	Class Class
	// Err is the cause, lower case, outermost context first. What a person can do
	// is told by its type: each deliverer has one of its own.
	Err error
	// Done are the recipients that have the message although the delivery as
	// a whole failed, those of Envelope.Served included. The engine records
	// it and hands it back as Envelope.Served, so that a retry reaches only
	// the rest; Class speaks of the rest alone. Nil: nobody has it.
	Done []string
	// Pause is how long the target wants to be left alone; 0: it does not say.
	Pause time.Duration
	// Refused: the target answered about this message and does not have it, or does not
	// say that it has. If the class stops the run as well, others may pass anyway.
	Refused bool
	// Undecided, with Failed: the target's answer is one for good as well as for now. It
	// counts for the message also if the target takes no other: else it would never end.
	Undecided bool
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether a later run may succeed with nothing changed.
func (e *Error) Temporary() bool {
	return e.Class == Later || e.Class == Failed || e.Class == Unavailable
}

// Stops reports whether the target can take no message at all at present.
func (e *Error) Stops() bool { return e.Class >= CannotCreate }
