// Package oauth gets OAuth2 access tokens for a mailbox and keeps them alive.
//
// A Config, checked by New, becomes a Client: the endpoints of one provider
// with one registration. A Source joins a Client with an account's entry in a
// Store; Source.Login asks a person once, and Source.Token then yields access
// tokens for as long as the provider allows.
//
// # What is durable, and what cannot be
//
// Many providers replace the refresh token at every use. So:
//
//   - An access token is returned only once the refresh token that came with it
//     is on disk (file, directory entry, or keyring item).
//   - The old refresh token stays in the store until then. A process that is
//     killed at any step leaves one of the two, whole.
//   - Read, refresh and write happen under a lock of the account: of several
//     processes one refreshes, and the others use what it got.
//   - A refresh on its way is not cancelled: it ends by itself within the
//     timeout, so an interrupt cannot throw away an answer.
//   - The store says that a refresh is under way before it is sent. It is proof
//     that the store can be written, and explains a later refusal.
//
// One gap is left, and no client can close it: the provider has answered, and
// the process or the network dies before the first write, a matter of
// microseconds. Providers that do not rotate (Google), that let old tokens live
// (Microsoft), or that keep the old one until the new one is used, do not
// notice. At one that revokes on reuse at once, that login is lost, and the
// error says so.
//
// # Secrets
//
// No error, status or text of this package holds a token, a code or a client
// secret; what a provider says is escaped, cut and searched for them.
package oauth
