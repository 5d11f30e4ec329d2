// Package gmail delivers to a Gmail mailbox by Gmail's API, each message once.
//
// messages.import scans and classifies a message as if it had come by SMTP,
// messages.insert stores it as it is. Both need no more than net/http: Google's own
// client would bring gRPC and telemetry with it.
//
// # Exactly once
//
// An import cannot be taken back, and its answer can be lost. An intent therefore holds
// what finds the message again: its Message-ID (or its date), its size, two sums, and
// how far the mailbox's history was before. What became of it is looked up in the run
// that lost the answer and after a crash: by messages.list, and then by content, as
// Message-IDs repeat.
//
// The index of that search lags behind the mailbox, so a message that it does not know
// may be there. The history does not lag: what it does not list either is not there.
// Without the history, absence counts only some time after the import was tried; until
// then the account waits.
//
// # Quota
//
// Each call costs units of a quota for each user and minute. Calls are spaced evenly at
// that rate, so that no window of any length holds too many, and at a lower rate for a
// while after Gmail has refused one because of the rate.
package gmail
