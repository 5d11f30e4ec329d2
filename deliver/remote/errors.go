package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
)

// Error is the cause of a failed step; its text names the server. C are the causes of one
// protocol, whose zero is any other reason.
type Error[C comparable] struct {
	Cause C
	// Stage is the step that failed; empty: none has begun.
	Stage string
	// Pause is how long the server wants to be left alone; zero: it does not say.
	Pause time.Duration
	// Host is another server than the one of the text, if it is about that.
	Host string
	// Status and Reason are what was answered over HTTP; zero: nothing.
	Status int
	Reason string
	Err    error
}

func (e *Error[C]) Error() string { return e.Err.Error() }

// Unwrap returns the cause in words.
func (e *Error[C]) Unwrap() error { return e.Err }

// CauseOf is that of an Error; zero: it is none.
func CauseOf[C comparable](err error) (cause C) {
	if e, ok := errors.AsType[*Error[C]](err); ok {
		cause = e.Cause
	}
	return cause
}

// Verdict is what an answer of a server means.
type Verdict[C comparable] struct {
	Class deliver.Class
	Cause C
	Pause time.Duration
}

// Failure is the error of a step with this meaning: "imap HOST: stage: cause".
func (v Verdict[C]) Failure(server, stage string, err error) *deliver.Error {
	if stage != "" {
		err = fmt.Errorf("%s: %w", stage, err)
	}
	return &deliver.Error{Class: v.Class, Pause: v.Pause,
		Err: &Error[C]{Cause: v.Cause, Stage: stage, Pause: v.Pause, Err: fmt.Errorf("%s: %w", server, err)}}
}

// Unstaged is Protocol.Failure for a server; rejected is the cause of a message that no
// server takes.
func Unstaged[C comparable](server string, rejected C) func(deliver.Class, error) *deliver.Error {
	return func(class deliver.Class, err error) *deliver.Error {
		v := Verdict[C]{Class: class}
		if class == deliver.Never {
			v.Cause = rejected
		}
		return v.Failure(server, "", err)
	}
}

// SizeError says that a message is larger than the server takes.
type SizeError struct{ Limit int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the message is larger than the %d octets that the server takes", e.Limit)
}

// MaxText is how much of a server's text is shown.
const MaxText = 300

// Clean makes a server's text harmless, short and one line.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "") + "..."
	}
	return s
}

// Pause waits, unless ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
