// Package pop3test is to POP3 what net/http/httptest is to HTTP: a server on
// a loopback port with an in-memory maildrop, its own certificate authority,
// declarative faults and exact "S:/C:" dialogues, a generated mail corpus, a
// proxy that adds latency, and a private real Dovecot to compare with.
//
// It is for tests and for the demo program; nothing that ships imports it. It
// imports neither package pop3 nor anything else of this module, so that every
// package can use it.
//
// As in httptest, the constructors that take no testing.TB panic when the
// machine cannot give them a port or a key: there is no test worth running
// then. They never panic because of what a peer sends.
package pop3test
