// Package pipe delivers each message to a command of its own: a local delivery
// agent such as maildrop, procmail or dovecot-lda, or any program that reads a
// message on its standard input.
//
// The command is an argument list and is started without a shell, in a
// process group of its own, with a small environment. Its exit status says
// what became of the message (sysexits.h):
//
//	0                              delivered
//	69 UNAVAILABLE, 71 OSERR,
//	74 IOERR, 75 TEMPFAIL; 77 if
//	its output speaks of a quota   Later: this message, not now
//	65 DATAERR, 77 NOPERM          Never: refused for good
//	67 NOUSER, 68 NOHOST           CannotCreate; Never if the message's header
//	                               names the recipient, or the command took
//	                               another message for him
//	64 USAGE, 72 OSFILE,
//	73 CANTCREAT, 78 CONFIG,
//	126, 127 (a shell's "cannot
//	run", "not found")             CannotCreate: the run stops
//	all others, among them
//	70 SOFTWARE; any signal;
//	the timeout                    Failed: this message, not now; too many in
//	                               a row are a refusal
//
// UNAVAILABLE and SOFTWARE do not stop the run at once, because one message
// that a command cannot digest must not block those behind it.
//
// # What may be duplicated
//
// A command's effect cannot be looked up. If this process or the machine dies
// while the command runs, or after it and before the next transaction of the
// state, the message is delivered again: Recover answers Unknown. MaxBatch is
// 1, so at most one message is at that risk. A command that is killed at its
// timeout may have done its work as well.
package pipe
