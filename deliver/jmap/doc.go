// Package jmap delivers to a mailbox of a JMAP server (RFC 8620, RFC 8621), each
// message once. Three calls do it: upload, Email/import, and Email/get for looking.
//
// # Exactly once
//
// The reply to an Email/import can be lost. An intent therefore holds what finds the
// message again: the state of all Emails before (RFC 8621 section 4.2), size, date,
// Message-ID and two sums. What became of it is looked up in the run that lost the
// reply and after a crash: Email/changes lists what was created since, which needs no
// search index, and content decides. If the server cannot tell the changes any more,
// Email/query finds copies by Message-ID and date, and those in the mailbox count.
//
// Equal messages of a batch are told apart by their number: the second one has arrived
// if two are there. A server that keeps one Email of equal content (Cyrus, Fastmail)
// answers alreadyExists to the second one.
//
// alreadyExists says that the account has such an Email, anywhere (RFC 8621 section
// 4.8). Only if its content is that of the message, and once it is in the mailbox, the
// message counts as delivered: one that lies in the trash is taken out of there.
package jmap
