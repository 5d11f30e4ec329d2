// Package pop3 is a POP3 client: RFC 1939 with the extensions of RFC 2449
// (CAPA, PIPELINING, RESP-CODES), 2595 (STLS), 3206 (AUTH-RESP-CODE), 5034
// (AUTH) and 6856 (UTF8).
//
// [Dial] connects, [Client.Login] logs in, [Client.List] lists, [Client.Retrieve]
// reads messages, [Client.Delete] marks them, and [Client.Quit] has the server delete
// what is marked. [PasswordLogins] makes the logins of a user name and a password.
// The zero values of [Server] are the safe ones: TLS from the start, on port 995.
//
// A Client is used by one goroutine. Replies come in the order of the commands
// and nothing is unsolicited, so there is no reader goroutine: a command that
// is sent ahead waits in a queue until its reply is read.
//
// # Deadlines
//
// Each call takes a context. When it ends, the connection is closed at once, and
// the error of a Client's method wraps [context.Canceled] or
// [context.DeadlineExceeded]. The server then deletes nothing, unless
// [Client.QuitSent]. Without a deadline of yours, Server.Connect and Server.Idle
// bound each wait; Server.Session can bound the whole session.
//
// # What stays
//
// From the first release on, and within one major version:
//
//   - Exported names keep their meaning. Fields and functions are only added, so
//     name the fields in composite literals of structs.
//   - A zero field of Server keeps its meaning. No default becomes less safe: no
//     secret goes out without TLS unless Server.Insecure is set.
//   - The types of errors, for [errors.As], and the Err variables, for [errors.Is].
//   - The values of Login.Strength: you may store them and compare them later.
//   - The package does not depend on a Kerberos library. GSSAPI is in package
//     fetch/sasl/gssapi.
//
// These may change in any version: the texts of errors, the lines of Server.Trace,
// which commands are sent and how far ahead, and the list that PasswordLogins returns
// (a stronger login may come first). Package pop3test is for the tests of this
// module, and nothing about it is promised.
package pop3
