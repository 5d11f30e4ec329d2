package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// Exit is what a run came to, in the numbers of sysexits.h.
type Exit int

// The exit codes of interface.md.
const (
	ExitOK          Exit = 0
	ExitUsage       Exit = 64
	ExitData        Exit = 65 // some messages failed, the rest are fine
	ExitUnavailable Exit = 69 // DNS, TCP, TLS, a broken connection
	ExitSoftware    Exit = 70 // a bug here
	ExitCannotWrite Exit = 73 // a target or the state cannot be created
	ExitIO          Exit = 74 // disk full, I/O error
	ExitTemp        Exit = 75 // in use, rate limit, temporary refusal
	ExitProtocol    Exit = 76 // the server broke the protocol
	ExitAuth        Exit = 77 // login refused, certificate not trusted
	ExitConfig      Exit = 78
	ExitInterrupted Exit = 130
	ExitTerminated  Exit = 143
)

// worst orders the codes when several accounts end differently.
var worst = [...]Exit{ExitConfig, ExitAuth, ExitProtocol, ExitIO, ExitCannotWrite, ExitSoftware, ExitUnavailable, ExitData, ExitTemp}

// Worst returns the code that stands for several accounts' outcomes.
func Worst(codes []Exit) Exit {
	for _, w := range worst {
		if slices.Contains(codes, w) {
			return w
		}
	}
	return ExitOK
}

// PartialError says that a run went through but some messages could not be
// retrieved or delivered. This run did not delete them.
type PartialError struct {
	// Failed is how many, and Unsent how many of them the server did not send.
	// Perhaps it does not have these any more: the next listing shows it.
	Failed, Unsent int
	First          error
}

func (e *PartialError) Error() string {
	switch {
	case e.Failed == 1 && e.Unsent == 1:
		return fmt.Sprintf("1 message could not be retrieved: %v", e.First)
	case e.Unsent == e.Failed:
		return fmt.Sprintf("%d messages could not be retrieved; the first: %v", e.Failed, e.First)
	case e.Unsent > 0:
		return fmt.Sprintf("%d messages failed, of which %d could not be retrieved; the first: %v", e.Failed, e.Unsent, e.First)
	case e.Failed == 1:
		return fmt.Sprintf("1 message failed and stays on the server: %v", e.First)
	}
	return fmt.Sprintf("%d messages failed and stay on the server; the first: %v", e.Failed, e.First)
}

// Unwrap returns the first failure.
func (e *PartialError) Unwrap() error { return e.First }

// Why is the cause of an Error.
type Why uint8

const (
	// WhyOther leaves it to what is wrapped.
	WhyOther Why = iota
	// WhyInUse: another run holds the maildrop.
	WhyInUse
	// WhyNoDates: it shows no headers, so that the dates of messages are not known.
	WhyNoDates
	// WhyStillListed: some of the messages whose deletion was confirmed are still
	// listed, WhyNotDeleted: all of them.
	WhyStillListed
	WhyNotDeleted
)

// Error is an engine error with its own exit code.
type Error struct {
	Exit Exit
	Err  error
	// Why is the cause for who gives advice.
	Why Why
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether a later run may succeed with nothing changed.
func (e *Error) Temporary() bool { return e.Exit == ExitTemp || e.Exit == ExitUnavailable }

// ExitOf maps the error of one account's run to its exit code.
func ExitOf(err error) Exit {
	var partial *PartialError
	var own *Error
	var target *deliver.Error
	var several ledger.Errors
	var stop stoppedError
	var identity *session.NoIdentityError
	var open *session.UnconfirmedError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &stop):
		return stop.exit()
	case errors.As(err, &several) && !errors.Is(err, context.Canceled):
		return worstOf(several)
	case errors.As(err, &partial), errors.As(err, new(*QuarantineError)):
		return ExitData
	case errors.As(err, &own):
		return own.Exit
	case stateFailed(err):
		return ExitIO
	case errors.As(err, new(*plan.ChangedError)), errors.As(err, new(*session.LoginDelayError)), errors.As(err, new(*session.LimitError)),
		errors.As(err, new(*PauseError)):
		return ExitTemp
	case errors.As(err, &identity):
		return exitOfIdentity(identity)
	case errors.As(err, &open) && open.Refused(), errors.As(err, new(*session.UIDLRefusedError)), errors.As(err, new(*session.UnknownMailError)):
		return ExitTemp
	case errors.As(err, new(*commit.UnknownKindError)):
		return ExitCannotWrite
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, state.ErrLocked):
		return ExitTemp
	case errors.As(err, &target):
		return exitOfClass(target.Class)
	}
	if code := exitOfServer(err); code != ExitOK {
		return code
	}
	return exitOfFile(err)
}

// stoppedError is what a cancelled run came to: the error it ended with, and
// the cause of its context, such as a signal, which may say its exit code.
type stoppedError struct{ err, cause error }

// stopped makes one of an error that came with the end of ctx. Where the run
// was does not matter, unless deletions are open.
func stopped(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(err, context.Canceled) && !errors.As(err, new(*session.UnconfirmedError)) {
		err = cause
	}
	return stoppedError{err, cause}
}

func (e stoppedError) Error() string { return "stopped: " + e.err.Error() }

func (e stoppedError) Unwrap() []error { return []error{context.Canceled, e.err, e.cause} }

func (e stoppedError) exit() Exit {
	var said interface{ Exit() Exit }
	if errors.As(e.cause, &said) {
		return said.Exit()
	}
	return ExitInterrupted
}

func exitOfIdentity(e *session.NoIdentityError) Exit {
	switch {
	case e.Later:
		return ExitTemp
	case e.Seen:
		return ExitProtocol
	}
	return ExitConfig
}

func exitOfClass(c deliver.Class) Exit {
	switch c {
	case deliver.CannotCreate:
		return ExitCannotWrite
	case deliver.IOError:
		return ExitIO
	case deliver.Unavailable:
		return ExitTemp
	case deliver.Denied:
		return ExitAuth
	default:
		return ExitData
	}
}

// exitOfServer sorts what package pop3 reports; ExitOK if err is not its.
func exitOfServer(err error) Exit {
	var (
		login    *pop3.LoginError
		none     *pop3.NoLoginError
		dial     *pop3.DialError
		secure   *pop3.TLSError
		said     *pop3.Error
		protocol *pop3.ProtocolError
		conn     *pop3.ConnError
	)
	switch {
	case errors.As(err, &login):
		if login.Temporary() {
			return ExitTemp
		}
		return ExitAuth
	case errors.As(err, &none):
		return ExitAuth
	case errors.As(err, &secure):
		if secure.Untrusted() {
			return ExitAuth
		}
		return ExitUnavailable
	case errors.As(err, &protocol):
		return ExitProtocol
	case errors.As(err, &conn), errors.As(err, &dial):
		return ExitUnavailable
	case errors.As(err, &said):
		if said.Temporary() {
			return ExitTemp
		}
		return ExitProtocol
	}
	return ExitOK
}

func exitOfFile(err error) Exit {
	switch {
	case errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist), errors.Is(err, state.ErrNotState),
		errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EROFS):
		return ExitCannotWrite
	case errors.As(err, new(syscall.Errno)):
		return ExitIO
	case errors.As(err, new(*state.VersionError)):
		return ExitCannotWrite
	}
	return ExitSoftware
}

// QuarantineError says that messages were refused for good and quarantined. They are
// still on the server and are not tried again: a person has to look.
type QuarantineError struct {
	Messages int
	Where    string // the quarantine
	First    error  // why the first was refused; nil if an earlier run heard it
}

func (e *QuarantineError) Error() string {
	text := fmt.Sprintf("%s refused for good and now in the quarantine, %s; still on the server, not tried again", messages(e.Messages), e.Where)
	if e.First != nil {
		text += fmt.Sprintf("; the first: %v", e.First)
	}
	return text
}

// Unwrap returns why the first message was refused.
func (e *QuarantineError) Unwrap() error { return e.First }

func messages(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}

// worstOf is the exit code that stands for all of the errors.
func worstOf(errs []error) Exit {
	codes := make([]Exit, len(errs))
	for i, err := range errs {
		codes[i] = ExitOf(err)
	}
	return Worst(codes)
}

// joined is ledger.Join with the worst error first, by its exit code.
func joined(errs ...error) error {
	all, more := ledger.Join(errs...).(ledger.Errors)
	if !more {
		return ledger.Join(errs...)
	}
	slices.SortStableFunc(all, func(a, b error) int { return rank(a) - rank(b) })
	return all
}

// rank is the place of an error's exit code in the order of the worst.
func rank(err error) int {
	if i := slices.Index(worst[:], ExitOf(err)); i >= 0 {
		return i
	}
	return len(worst)
}
