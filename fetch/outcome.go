package fetch

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// Mail says what a run that went wrong means for the mail on the server, in one
// sentence that holds however the run ended; empty if all went well.
func (s *Summary) Mail() string {
	if s.Err == nil {
		return ""
	}
	gone := ledger.Deleted{Sure: s.Deleted - s.Before, Open: s.Unconfirmed, Kind: "delivered"}
	if s.TrustImported {
		gone.Kind = "delivered or imported"
	}
	next := "the next run goes on from here"
	switch {
	case s.planOver():
		next = "save the plan anew for what is left"
	case s.Unconfirmed > 0:
		next = "the next run with these options deletes what is left of them"
	}
	return gone.By("this run") + nextRun(ExitOf(s.Err), next)
}

// planOver reports whether the saved plan that a run was held to will not fit
// the next time: it is refused unless it is just what there is to do.
func (s *Summary) planOver() bool {
	return s.Planned && (errors.As(s.Err, new(*plan.ChangedError)) || s.Fetched+s.Quarantined+s.Deleted+s.Unconfirmed > 0)
}

// nextRun promises no more than the kind of the failure allows.
func nextRun(exit Exit, next string) string {
	switch exit {
	case ExitSoftware:
		return ""
	case ExitData, ExitUnavailable, ExitTemp, ExitInterrupted, ExitTerminated:
		return "; " + next
	}
	return "; once this is fixed, " + next
}

// LaterMayHelp reports whether a look that ended so is worth another one: the
// server was busy or confused. A refused login is not tried again.
func LaterMayHelp(err error) bool {
	if errors.Is(err, context.Canceled) || errors.As(err, new(*session.LoginDelayError)) {
		return false
	}
	switch ExitOf(err) {
	case ExitOK, ExitUnavailable, ExitProtocol, ExitTemp:
		return true
	}
	return false
}

// mayDoWithout reports whether a look that nothing asked for, and that ended so,
// leaves the run as good as it was. If a login is refused now, the next run will
// say so.
func mayDoWithout(err error) bool {
	return LaterMayHelp(err) || errors.As(err, new(*session.LoginDelayError)) || errors.As(err, new(*pop3.LoginError))
}
