// Package pop3 is a POP3 client: RFC 1939 with the extensions of RFC 2449
// (CAPA, PIPELINING, RESP-CODES), 2595 (STLS), 3206 (AUTH-RESP-CODE), 5034
// (AUTH) and 6856 (UTF8).
//
// A Client is used by one goroutine. Replies come in the order of the commands
// and nothing is unsolicited, so there is no reader goroutine: a command that
// is sent ahead waits in a queue until its reply is read.
package pop3
