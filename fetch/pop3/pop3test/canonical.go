package pop3test

import (
	"bytes"
	"crypto/sha256"
)

// WireForm is msg as a POP3 client can see it after unstuffing: unchanged, but
// one that is not empty and does not end in CRLF gets one, since the
// terminator stands on a line of its own (RFC 1939 section 3).
func WireForm(msg []byte) []byte {
	if len(msg) == 0 || bytes.HasSuffix(msg, []byte("\r\n")) {
		return msg
	}
	return append(bytes.Clone(msg), '\r', '\n')
}

// wireSize is len(WireForm(msg)).
func wireSize(msg []byte) int64 {
	if len(msg) == 0 || bytes.HasSuffix(msg, []byte("\r\n")) {
		return int64(len(msg))
	}
	return int64(len(msg)) + 2
}

// Canonical is what a Maildir must hold once msg was retrieved: its WireForm
// with CRLF turned into LF, and every other byte kept.
func Canonical(msg []byte) []byte {
	return bytes.ReplaceAll(WireForm(msg), []byte("\r\n"), []byte("\n"))
}

// Sum is the SHA-256 of the canonical form.
func Sum(msg []byte) [sha256.Size]byte {
	return sha256.Sum256(Canonical(msg))
}
