// Package fetch is the engine: it brings the messages of one maildrop to its
// targets, each exactly once. It reads no configuration file, has no flags and
// prints nothing; package command does these.
//
// # The walk of one message
//
// Account -> a slot (total and per-host limits) -> intents left by a crash are
// settled, before any network -> session, TLS, login -> UIDL and LIST in one
// flight -> Diff -> RETR window -> Batch.Add -> Prepare -> state.Apply{settle
// the last batch, intend this one} -> Publish -> the next Apply settles it ->
// DELE and QUIT in one flight -> entries long unlisted drop.
//
// Data flows one way. Two goroutines work on an account: the network side
// (retrieve.go) stages messages into batches, the commit side (commit.go)
// makes one batch at a time durable and visible. At most one batch is staged
// while one is committed, so memory does not grow with the mailbox or with a
// message.
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
