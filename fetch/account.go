package fetch

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Account is one maildrop and where its messages go. It is what runs: the
// configuration that it was made from is package config's.
type Account struct {
	// Name is the account's name in the configuration, for people.
	Name string
	// ID names the maildrop's state: user@host by default.
	ID string
	// Server is how to reach the maildrop.
	Server *pop3.Server
	// Targets receive each message; it is done when all have it.
	Targets []Target
	// SetAside takes what a target refuses for good (OnReject Quarantine),
	// nil if there is no such place.
	SetAside *Target
	// Policy and Limits say what to retrieve and what to delete.
	Policy plan.Policy
	Limits plan.Limits
	// UTF8 is when the UTF8 command is sent (RFC 6856).
	UTF8 UTF8
	// Before, if set, is called once the maildrop's state is held and before
	// the server is called; its error ends the run. After, if set, is called
	// at the end of each run, however it ended; its error is only noted.
	Before func(context.Context) error
	After  func(context.Context, *Summary) error
	// Wait is how long to wait for a state file that another run holds, and
	// for a server's LOGIN-DELAY. Zero: not at all.
	Wait time.Duration
	// Renew gets a new secret after a refused login; nil if there is no other.
	// It is called at most once in a run.
	Renew func(ctx context.Context) error
	// CreateTargets makes anew what has received mail and is gone; else such a
	// target stops.
	CreateTargets bool
	// Exactly is a saved plan: a run does just that, or nothing.
	Exactly *plan.SavedPlan
}

// closeTargets closes all of them and returns the first error.
func (a *Account) closeTargets() (err error) {
	for i := range a.Targets {
		if cerr := a.Targets[i].Close(); err == nil {
			err = cerr
		}
	}
	if a.SetAside != nil {
		if cerr := a.SetAside.Close(); err == nil {
			err = cerr
		}
	}
	return err
}

// Target is one place that messages go to.
type Target struct {
	// ID names the target in the state. It must not change while messages
	// are incomplete.
	ID string
	deliver.Deliverer
}

// UTF8 says when the UTF8 command is sent.
type UTF8 uint8

const (
	// UTF8Auto sends it where the server announces it and does not break at it.
	UTF8Auto UTF8 = iota
	// UTF8On sends it wherever it is announced, UTF8Off never.
	UTF8On
	UTF8Off
)

// String names it as people do.
func (u UTF8) String() string {
	switch u {
	case UTF8On:
		return "on"
	case UTF8Off:
		return "off"
	}
	return "auto"
}
