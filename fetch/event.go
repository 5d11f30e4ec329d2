package fetch

import (
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// Reporter gets the progress of runs. Calls come from many goroutines.
type Reporter interface{ Report(Event) }

// Event is a snapshot of one account's run.
type Event struct {
	Account string
	ledger.Progress
	// Summary is set when the stage is Finished.
	Summary *Summary
}

// Summary is the outcome of one account's run.
type Summary struct {
	Account string
	Started time.Time
	Seconds float64
	// Listed is the number of messages on the server; Fetched became visible
	// in all targets in this run; Skipped were neither seen nor retrieved;
	// Deleted were confirmed by QUIT; Failed could not be retrieved or
	// delivered; Quarantined were refused, and are in the quarantine.
	Listed, Fetched, Skipped, Deleted, Failed, Quarantined int
	// Recovered are those of Fetched and Quarantined that an interrupted run had
	// retrieved, and whose delivery this one completed.
	Recovered int
	// Earlier is what runs delivered that ended before they could record themselves.
	// It is not in Fetched.
	Earlier state.Unrecorded
	// Before are those of Deleted that an earlier run asked for: they were gone
	// from this one's first listing.
	Before int
	// Unconfirmed were to be deleted, and no QUIT confirmed it: they may be gone.
	Unconfirmed int
	// TrustImported: what was deleted may have been fetched by the program
	// alone whose list was imported.
	TrustImported bool
	// Planned: the run was held to a saved plan (Account.Exactly).
	Planned bool
	// Stopped: it was cut short by the end of its context, whatever else went
	// wrong. NotBegun: while it waited for others.
	Stopped, NotBegun bool
	// Bytes is what Fetched add up to, with LF line ends.
	Bytes int64
	// Sessions is how many times we logged in, RoundTrips how often the run
	// had to wait for the network.
	Sessions, RoundTrips int
	// Known is how many entries the state holds, done or not.
	Known int
	// NextLogin is when the server's LOGIN-DELAY, or a target that has asked for a
	// pause, allows the next run; zero: at any time.
	NextLogin time.Time
	// Skips counts the skipped messages by reason.
	Skips map[plan.Reason]int
	// Notes are facts that a person should know: odd answers of the server,
	// messages that wait.
	Notes []string
	// Err is nil if all went well, else what went wrong. Failed messages
	// alone make it a *PartialError.
	Err error
}
