// Package imap delivers to a mailbox of an IMAP server (RFC 9051, RFC 3501),
// each message once.
//
// The client is this package's own: few verbs are needed, and those of go-imap
// v2 wait for the server before each message over 4096 octets although it has
// LITERAL+, do not know MULTIAPPEND, and have no deadline for a reply.
//
// # Exactly once
//
// An APPEND cannot be taken back, and its reply can be lost. An intent therefore
// holds what finds the message again: mailbox, UIDVALIDITY, a lower bound of its
// UID, size, date, Message-ID and two sums. What became of it is looked up in
// the mailbox, in the run that lost the reply and after a crash. Only content
// counts: UIDNEXT rises after a failed APPEND, and Message-IDs repeat.
//
// Equal messages of a batch are told apart by their number: the second one is
// sent when the first one is there, so it has arrived if two are there.
//
// A server may change what it is given: Cyrus replaces 8-bit bytes in header
// fields. The second sum leaves out what servers are known to change; without
// it, a message with the Message-ID and the INTERNALDATE of ours at a UID that
// did not exist before is ours. The log then says so.
//
// Look-ups list a range of UIDs with sizes and Message-IDs instead of SEARCH,
// which some servers refuse or answer wrongly, and which takes a round trip for each
// message.
package imap
