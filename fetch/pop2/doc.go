// Package pop2 makes a POP2 server (RFC 937) look like a POP3 server: its connections
// take the commands of a POP3 client, talk POP2 to the server, and give back what a
// POP3 server would answer. So the client and the session above it need to know nothing
// of POP2. The server they see has neither UIDL nor TLS.
//
//   - USER and PASS are HELO. If a mailbox follows the user name after a space, it is
//     selected with FOLD.
//   - STAT and LIST are one READ for each message. A length of 0 means that a message
//     does not exist.
//   - RETR is READ, RETR, and ACKS. The end of a message is passed on only after the
//     server has answered ACKS: then its length was right.
//   - TOP is the same with NACK, and so costs as much as RETR. It gives the header only.
//   - DELE retrieves the message once more and sends ACKD if it is the one that the
//     client has read, else NACK. POP2 can delete nothing else, and ACKD may take effect
//     without QUIT, so it must not be sent before the message is safe.
package pop2
