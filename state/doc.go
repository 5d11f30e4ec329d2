// Package state remembers what was retrieved: one bbolt file per maildrop.
//
// The engine's laws rest on it (docs/design.md): a message becomes visible
// only after its Intent is recorded, and a UID counts as seen only once that
// intent is settled into an Entry. All changes go through [DB.Apply], which is
// one transaction: all of a Change, durably, or nothing. All reads go through
// [DB.View], which is a consistent snapshot. The file's lock, held from Open
// to Close, keeps two runs off one maildrop.
//
// # Format
//
// Buckets at the root; small ones live inside the root page, so that a poll
// without news writes few pages:
//
//	meta      magic, version, tallies, facts, last_success, scattered
//	entries   Key -> encoded Entry (codec.go); incomplete ones included
//	intents   8-byte big-endian ID -> encoded Intent (change.go)
//	targets   4-byte big-endian number -> target; entries hold the number
//	failures  Key -> JSON list of Failure
//	gone      Key -> seconds: known, not listed since
//	runs      8-byte big-endian sequence -> JSON Run, the last 50
//	budget    day -> bytes retrieved, the last 3 days
//
// Each value but magic and version ends with a CRC-32C of the bucket's name, the
// key and the value (table.go). tallies are the number of records of each bucket
// and the sum of their checksums, with the number of the transaction. Version 1
// had no checksums, and count (entries) in place of tallies; it is read as it
// is, and upgraded when it is opened for writing.
//
// Pages are read here and not by bbolt (pages.go), which gets only what was
// checked: the file's structure when it is opened (structure.go), and each
// leaf before it is used. What a damaged file still holds is for Salvage.
//
// The time at which a key was last listed is derived, not stored: it is the
// time of the last complete listing unless the key is in gone.
package state
