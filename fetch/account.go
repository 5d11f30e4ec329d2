package fetch

import (
	"context"
	"time"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/session"
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
	Targets []commit.Target
	// Quarantine takes what a target refuses for good (OnReject Quarantine),
	// nil if there is no such place.
	Quarantine *commit.Target
	// Policy and Limits say what to retrieve and what to delete.
	Policy plan.Policy
	Limits plan.Limits
	// UTF8 is when the UTF8 command is sent (RFC 6856).
	UTF8 session.UTF8
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
	// Moves: other machines may run it, with the state or, by mistake, without. A target
	// that can be marked keeps that it got mail, and a state that knows of none ends the
	// run with a *commit.UnknownStateError.
	Moves bool
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
	if a.Quarantine != nil {
		if cerr := a.Quarantine.Close(); err == nil {
			err = cerr
		}
	}
	return err
}
