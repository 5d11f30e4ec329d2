package sources

import (
	"errors"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// List is what became of one file or source.
type List struct {
	// Name is what messages call it.
	Name string
	config.Adopted
	// Err is why the list as a whole could not be taken, an *Error; nil: it was.
	Err error
}

// Error says that a file or source yields no list of accounts.
type Error struct {
	// List is its name.
	List string
	Err  error
	// Since is when a source printed the list that stands in for it; zero: none does.
	Since time.Time
}

// Error implements error. Mistakes in a list name it themselves.
func (e *Error) Error() string {
	text := e.Err.Error()
	if !errors.As(e.Err, new(config.Errors)) && !errors.As(e.Err, new(*config.Error)) {
		text = e.List + ": " + text
	}
	if !e.Since.IsZero() {
		text += "; its accounts of " + e.Since.UTC().Format(time.RFC3339) + " stay"
	}
	return text
}

// Unwrap implements the interface of package errors.
func (e *Error) Unwrap() error { return e.Err }

// RejectedError says that some accounts of a list cannot be used. The others are.
type RejectedError struct{ config.Errors }

// Unwrap implements the interface of package errors.
func (e *RejectedError) Unwrap() error { return e.Errors }

// Errs are all that is wrong with the list.
func (l *List) Errs() (errs []error) {
	if l.Err != nil {
		errs = append(errs, l.Err)
	}
	if len(l.Rejected) > 0 {
		errs = append(errs, &RejectedError{l.Rejected})
	}
	return errs
}

// Status is what is remembered of a source, for people and metrics.
type Status struct {
	Source string `json:"source"`
	// Tried is when the source was read last, Good when a list of it was last taken.
	Tried time.Time `json:"tried"`
	Good  time.Time `json:"good,omitzero"`
	// Accounts are those of that list, Rejected is how many mistakes are in it.
	Accounts int `json:"accounts"`
	Rejected int `json:"rejected"`
	// Error is why the last attempt failed, or the first mistake; empty: neither.
	Error string `json:"error,omitempty"`
	// Failing: no list was taken in the last attempt.
	Failing bool `json:"failing"`
}
