// Package remote is what the targets share that are a mailbox on a server, which can be
// looked at when a reply was lost: the batch and its messages, the mark of a message in
// its intent, how a message is found again by content, how long absence proves nothing,
// what a failure means for the messages behind it, and receipts. What a server is told,
// and what its answers mean, is each protocol's own.
package remote
