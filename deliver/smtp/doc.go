// Package smtp delivers messages to a relay over SMTP (RFC 5321) or LMTP
// (RFC 2033), over TCP or a unix socket.
//
// One connection is kept for the run. A message is staged in memory, or in an
// unlinked file when it is large, in the very form that goes over the wire, so
// that its size and its 8-bit bytes are known before MAIL and its end leaves
// in one write. Nothing else in it is changed: line ends become CRLF (a bare
// CR too, which defeats SMTP smuggling) and leading dots are doubled.
//
// # What may be duplicated
//
// A relay takes a message at the final dot, and says so in its reply. Until
// the last octet of that dot was handed to the system nothing can have been
// delivered, and every failure is safe to retry. If the connection is lost, or
// this process dies between the dot and the reply, nobody can know: the
// message is sent again by the next run, and may then exist twice. MaxBatch is
// 1, so that no more than one message is ever at that risk. Recover answers
// Unknown for the same reason: neither protocol can be queried after a crash.
//
// # What a reply means
//
// verdict.go decides whose matter a refusal is, in one pure function of the
// stage, the code, the enhanced code and some well-known words:
//
//	connect, greeting, EHLO, STARTTLS, AUTH   4xx   the target, later
//	                                          5xx   the target, until a person acts
//	anywhere    421, X.3.1, X.3.2, rate limits      the target, later
//	MAIL                                      4xx   the target, later
//	MAIL, RCPT  X.1.7, X.1.8, SPF; MAIL 5xx         the sender: another is tried
//	RCPT, LMTP's reply   over quota                 the recipient, later
//	RCPT                 4xx                        the message, later
//	RCPT, LMTP's reply   no such user               the recipient, for good
//	message, reply to it                      4xx   the message, later
//	message, reply to it                      5xx   the message, for good
//	MAIL, RCPT, DATA     530, 534, 535, 538         the target, until a person acts
//	MAIL, RCPT, DATA     connection lost            the target, later
//	message, reply to it connection lost            Failed
//
// A recipient of the configuration is the target's: if it is refused, so is
// each message, and the target stops. One that the message's header names is
// the message's. With several recipients each has an outcome of its own, at
// RCPT and over LMTP also after the dot. If any failed, Error.Done names those
// that have the message, and Error.Class speaks of the others; the target does
// not stop while it takes the message for one of them.
//
// A relay that answers before the final dot is not sent the dot, where we hear
// it in time. Where we do not, after any refused message, QUIT is said: its 221
// shows which replies were still to come for this message, and the next one has a new
// connection.
//
// # Why not go-smtp's client
//
// A well-kept library beats own code, and go-smtp is one; its server stands at
// the other end of this package's tests. Its client (v0.25.1) lacks what this
// package is for: it has no PIPELINING (five round trips a message where two
// do: RSET makes it say EHLO again); it keys LMTP replies by address; it has
// no STARTTLS for LMTP; it drops text injected after STARTTLS in silence
// instead of ending the session; it sets no deadline while the message is
// being sent; it joins a reply of endless lines without limit; and it does not
// tell whether the final dot was written when sending fails.
package smtp
