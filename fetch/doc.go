// Package fetch is the engine: it brings the messages of one maildrop to its
// targets, each exactly once. It reads no configuration file, has no flags and
// prints nothing; package command does these.
//
// # The walk of one message
//
//	Fetcher.Run       waits for a worker slot, holds the state (held.go)
//	commit.Recover    settles what an interrupted run left, before any network
//	session.Dialer    connects, secures, logs in; the listing follows
//	plan.Diff         decides: listing x what is on record x policy
//	Session.retrieve  asks for the bodies, many in one round trip
//	commit.Pass       stages each into a batch; the commit goroutine makes it
//	                  durable, records the intent, publishes, settles
//	DeleteAndQuit     deletes what is settled and unwanted
//	run.record        writes what the run came to
//
// Data flows one way. Two goroutines work on an account: the network side
// (package session) and the commit side (package commit); package ledger holds
// what both share. At most one batch is staged while one is committed, so memory
// does not grow with the mailbox or with a message.
//
// # The six laws
//
//  1. A UID is seen only if its message is durable and visible.
//  2. Nothing becomes visible unless its intent is durable.
//  3. An intent is recorded only when the staged bytes and their directory
//     entry are durable.
//  4. DELE is sent only for seen UIDs.
//  5. A seen entry is dropped only after a complete listing no longer holds
//     it, and not at once.
//  6. From the attempt to record an intent until it is settled, only Publish
//     and Recover touch the staged file. If Apply fails, its outcome is
//     unknown: everything is left to the next run.
package fetch
