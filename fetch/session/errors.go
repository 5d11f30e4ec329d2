package session

import (
	"errors"
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// UnconfirmedError: the connection ended before the server said what became of
// the deletions, or the server refused to.
type UnconfirmedError struct{ Err error }

func (e *UnconfirmedError) Error() string {
	if e.Refused() {
		return "the server did not confirm the deletions: " + e.Err.Error()
	}
	return "the session ended before the server confirmed the deletions: " + e.Err.Error()
}

// Refused reports whether the server answered QUIT with an error.
func (e *UnconfirmedError) Refused() bool { return errors.As(e.Err, new(*pop3.QuitError)) }

// Unwrap returns the cause.
func (e *UnconfirmedError) Unwrap() error { return e.Err }

// BeforeQuitError: the session ended after DELE and before QUIT was sent, so
// the server deletes none of the messages (RFC 1939 section 6).
type BeforeQuitError struct {
	Messages int
	Err      error
}

func (e *BeforeQuitError) Error() string {
	return fmt.Sprintf("the session ended before QUIT, so the server keeps %s that were to be deleted: %v", ledger.Counted(e.Messages, "message"), e.Err)
}

// Unwrap returns the cause.
func (e *BeforeQuitError) Unwrap() error { return e.Err }

// NoIdentityError: the server gives its messages no unique-ids and shows no
// headers, so they cannot be distinguished.
type NoIdentityError struct {
	Listed int
	// Later: it has shown headers before, or it is not known that it has no TOP.
	Later bool
	// Seen: what is on record has to be found in the listing, which no other way
	// of retrieving can help.
	Seen bool
}

// Temporary reports whether a later run may find headers.
func (e *NoIdentityError) Temporary() bool { return e.Later }

func (e *NoIdentityError) Error() string {
	switch {
	case e.Later:
		return fmt.Sprintf("the server gives its messages no unique-ids (UIDL), and does not show the header (TOP) of any of %s now: they cannot be distinguished", ledger.Counted(e.Listed, "message"))
	case e.Seen:
		return "the server gives its messages no unique-ids (UIDL) and shows no headers (TOP): they cannot be distinguished"
	}
	return "the server gives its messages no unique-ids (UIDL) and shows no headers (TOP): old messages cannot be distinguished from new ones"
}

// UIDLRefusedError: the server refuses now what it announces, or what worked
// before.
type UIDLRefusedError struct {
	Announced bool
	Err       error
}

// Temporary is true: a later run asks again.
func (*UIDLRefusedError) Temporary() bool { return true }

func (e *UIDLRefusedError) Error() string {
	why := "which worked before"
	if e.Announced {
		why = "which it announces"
	}
	return fmt.Sprintf("the server refuses to list unique-ids, %s: %v", why, e.Err)
}

// Unwrap returns the server's refusal.
func (e *UIDLRefusedError) Unwrap() error { return e.Err }

// UnknownMailError: messages of another program's list are gone, and others have
// come, which cannot be compared with them.
type UnknownMailError struct{ Gone int }

// Temporary is true: a later run asks again.
func (*UnknownMailError) Temporary() bool { return true }

func (e *UnknownMailError) Error() string {
	return fmt.Sprintf("%s known from another program's list are gone from the server and others have come: are they new mail, or the same under new unique-ids (UIDs)?", ledger.Counted(e.Gone, "message"))
}
