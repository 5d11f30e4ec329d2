package http

import "time"

// Cause says why a message was not delivered.
type Cause uint8

const (
	// CauseOther: a request has no answer, see the web.Error.
	CauseOther Cause = iota
	// LoginRefused: the service refused the secret or the login.
	LoginRefused
	// NoEndpoint: there is nothing at the URL that takes mail. Redirect: it sends us to
	// another place.
	NoEndpoint
	Redirect
	// WebPage: the answer is a web page. Unexpected: it is none that the service gives.
	WebPage
	Unexpected
	// Early: it is one of success, before all of the message was sent.
	Early
	// Throttled, Busy and ServerError: the service takes nothing now, asks for a pause or
	// failed. Postponed: it does not take this message now.
	Throttled
	Busy
	ServerError
	Postponed
	// TooBig and Refused: the service does not take this message. Undecided: it does not
	// say whether that is for good.
	TooBig
	Refused
	Undecided
	// NoMailType: the service takes no mail as it is set up.
	NoMailType
	// Unfinished: the service has the message in its queue. TaskFailed: it took it out of
	// the queue and failed. TasksHidden: it does not show us its queue.
	Unfinished
	TaskFailed
	TasksHidden
	// InDoubt: the answer was lost, so that the message may have arrived.
	InDoubt
)

// Error is the cause of a failed delivery; its text names the service.
type Error struct {
	Cause Cause
	// Preset is the name of the preset.
	Preset string
	// Pause is how long the service wants to be left alone.
	Pause time.Duration
	Err   error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error) Unwrap() error { return e.Err }
