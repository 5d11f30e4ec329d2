// Package mbox delivers to one mbox file.
//
// # Form
//
// A message is written as "From SENDER DATE\n" (the envelope sender, or
// MAILER-DAEMON; the date in UTC as asctime prints it), the message, and one
// blank line. If the file does not end in a blank line when a batch begins, the
// missing newlines are written first. A message without a final newline gets
// one; the receipt says so, and reading back removes it again.
//
//   - MBOXRD, the default: each line that matches /^>*From / gets one more ">".
//     Reversible.
//   - MBOXO: only lines that begin with "From " get one. Not reversible if the
//     message had such a ">From " itself.
//   - MBOXCL2: the body is not quoted; a Content-Length field, the first of the
//     header, gives its end. The header is quoted as in MBOXRD. A field
//     Content-Length of the message itself is renamed to
//     X-Mailhaul-Content-Length (and that one to X-Mailhaul-X-Mailhaul-..., so
//     that it can be undone).
//
// # Locks
//
// fcntl (open file description locks on Linux) and a dotlock, both without
// blocking: whoever holds only one of them while wanting the other releases it
// and tries again later, so no order of another program can deadlock with ours.
// A dotlock of ours says its process, host and boot, and when the process was
// started; it is broken as soon as that process has ended, others after five
// minutes. What killed processes left of taking one is swept.
// A directory that cannot be written to means fcntl only, with a warning. One
// batch is one lock, from Prepare to the end of Publish or Abort.
//
// # Steps of a batch
//
// Add puts the finished form into the spool: memory, and for what does not fit
// there an unlinked temporary file.
// Prepare takes the locks, reads the file's size S, and computes where each
// message will be; the batch will end at E. Publish then
//
//  1. reserves: allocates blocks, and extends the file from S to E at once
//     (ftruncate), then writes a random token into its last 16 bytes;
//  2. writes everything but these 16 bytes, in ascending order, and syncs;
//  3. commits: writes the last 16 bytes over the token, and syncs.
//
// So at any moment the file ends at S, or our region is exactly [S,E), and it
// is unfinished as long as its last 16 bytes are not what the intent says. Mail
// that another program appends after a crash begins at E, never in the middle
// of ours, and what must be removed is known to the byte. On an error, the file
// is cut back to S.
//
// The third law (staged bytes are durable before the intent is) guards against
// a file that is in neither place and is read as published. Here nothing is
// staged in the target: recovery looks at the bytes in the mbox alone, and what
// is not there is delivered again from the server. So the spool is never
// synced.
//
// # Recovery
//
// For each intent, with the locks held:
//
//  1. the bytes at its offset have its checksum: Visible;
//  2. the region is unfinished: what of it was not complete is removed, either
//     by truncation or, if others have appended, by moving their mail to the
//     left (see hole.go: safe to be killed at any step): Absent;
//  3. the file was rewritten: a message with the same separator line and the
//     same content, apart from the fields that readers keep in the file
//     (Status, X-Status, X-Keywords, X-UID, X-IMAP, X-IMAPbase, Content-Length,
//     Lines, X-Mozilla-*), is Visible wherever it is;
//  4. else Absent.
//
// Bytes that are not proven to be ours are never removed, except for zeros at the
// end of the file, which are no mail (zeros.go). What remains: mail
// that a person deleted between the crash and the recovery is delivered again,
// and a reader that rewrites the file while an unfinished region is in it takes
// the fragment for mail of its own, which then stays.
package mbox
