package fetch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
)

// Mail says what a run that went wrong means for the mail on the server, in one
// sentence that holds however the run ended; empty if all went well.
func (s *Summary) Mail() string {
	if s.Err == nil {
		return ""
	}
	gone := deletions{s.Deleted - s.Before, s.Unconfirmed, "delivered"}
	if s.TrustImported {
		gone.kind = "delivered or imported"
	}
	next := "the next run goes on from here"
	switch {
	case s.planOver():
		next = "save the plan anew for what is left"
	case s.Unconfirmed > 0:
		next = "the next run with these options deletes what is left of them"
	}
	return gone.text("this run") + nextRun(ExitOf(s.Err), next)
}

// planOver reports whether the saved plan that a run was held to will not fit
// the next time: it is refused unless it is just what there is to do.
func (s *Summary) planOver() bool {
	return s.Planned && (errors.As(s.Err, new(*plan.ChangedError)) || s.Fetched+s.SetAside+s.Deleted+s.Unconfirmed > 0)
}

// Mail says what a purge that went wrong did to the mail on the server.
func (p *PurgeReport) Mail() string {
	gone := deletions{p.Deleted - p.Left, p.Unconfirmed, "verified"}
	text := gone.text("purge")
	switch {
	case p.Left == 1:
		text += "; 1 that it confirmed is still listed"
	case p.Left > 1:
		text += fmt.Sprintf("; %d that it confirmed are still listed", p.Left)
	}
	if p.Deleted < p.Verified {
		text += "; run it again for the rest"
	}
	return text
}

// deletions are what the server confirmed, and what it may have done besides.
type deletions struct {
	sure, open int
	kind       string // of the messages, which is why they may go
}

func (d deletions) text(who string) string {
	switch {
	case d.sure == 0 && d.open == 0:
		return who + " deleted nothing from the server"
	case d.open == 0:
		return fmt.Sprintf("%s deleted %s from the server, nothing else", who, counted(d.sure, d.kind+" message"))
	case d.sure == 0:
		return fmt.Sprintf("%s may have deleted %s from the server, nothing else", who, counted(d.open, d.kind+" message"))
	}
	return fmt.Sprintf("%s deleted %s from the server and perhaps %d more of them, nothing else", who, counted(d.sure, d.kind+" message"), d.open)
}

// nextRun promises no more than the kind of the failure allows.
func nextRun(exit Exit, next string) string {
	switch exit {
	case ExitSoftware:
		return ""
	case ExitData, ExitUnavailable, ExitTemp, ExitInterrupted, ExitTerminated:
		return "; " + next
	}
	return "; once this is mended, " + next
}

// UnconfirmedError: the connection ended before the server said what became of
// the deletions.
type UnconfirmedError struct{ err error }

func (e *UnconfirmedError) Error() string {
	return "the session ended before the server confirmed the deletions: " + e.err.Error()
}

func (e *UnconfirmedError) Unwrap() error { return e.err }

// beforeQuitError: the session ended after DELE and before QUIT was sent, so
// the server deletes none of the n messages (RFC 1939 section 6).
type beforeQuitError struct {
	n   int
	err error
}

func (e *beforeQuitError) Error() string {
	return fmt.Sprintf("the session ended before QUIT, so the server keeps %s that were to be deleted: %v", counted(e.n, "message"), e.err)
}

func (e *beforeQuitError) Unwrap() error { return e.err }

// unconfirmed counts deletions that the server may have done.
func (r *run) unconfirmed(n int) { r.sum.Unconfirmed += n }

// PurgeError is the end of a purge before all was done or proven.
type PurgeError struct{ err error }

func (e *PurgeError) Error() string { return e.err.Error() }

func (e *PurgeError) Unwrap() error { return e.err }

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// inBrief is a duration without its zeros: 15m, not 15m0s.
func inBrief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
