package imap

import (
	"time"
)

// Cause says what a delivery to a mailbox failed for.
type Cause uint8

const (
	// CauseOther is any other reason.
	CauseOther Cause = iota
	// Unreachable: no connection could be made. Lost: it broke. Silent: the server
	// did not answer in time. NotIMAP: what answered speaks another protocol, or
	// broke this one.
	Unreachable
	Lost
	Silent
	NotIMAP
	// TLSNotOffered: the server does not offer STARTTLS. TLSFailed: the handshake
	// failed; the reason is wrapped. Tampered: text came before it that must not.
	TLSNotOffered
	TLSFailed
	Tampered
	// Insecure: the secret is not sent without TLS. NoLogin: the server has none of
	// our logins.
	Insecure
	NoLogin
	// LoginRefused: it refused user or password. LoginLater: it takes no login now.
	LoginRefused
	LoginLater
	// MailboxRefused: it refuses the mailbox's name, or to create it. NoRight: we may
	// not append to it.
	MailboxRefused
	NoRight
	// Quota: the mailbox is full. Throttled: the server asks us to slow down; Pause
	// is for how long. Busy: it takes nothing now.
	Quota
	Throttled
	Busy
	// TooBig and Binary: the message is larger than the server's APPENDLIMIT, holds
	// NUL. Rejected: the server refuses this message.
	TooBig
	Binary
	Rejected
	// InDoubt: the reply was lost, and the mailbox could not be looked at since.
	InDoubt
)

// Error is the cause of a failed step; its text names the server.
type Error struct {
	Cause Cause
	// Pause is how long the server wants to be left alone; zero: it does not say.
	Pause time.Duration
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }
