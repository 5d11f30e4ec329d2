package mbox

import (
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// maxSender bounds the sender in a separator line (RFC 5321 section 4.5.3.1.3:
// a path has at most 256 octets).
const maxSender = 256

// separator returns the line before a message.
func separator(e deliver.Envelope) string {
	return "From " + sender(e) + " " + e.Date.UTC().Format(time.ANSIC) + "\n"
}

// sender returns a single word: readers find the date by counting words, and
// what a server sent must not end the line.
func sender(e deliver.Envelope) string {
	if !e.HasSender || e.Sender == "" || len(e.Sender) > maxSender {
		return "MAILER-DAEMON"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' {
			return '_'
		}
		return r
	}, e.Sender)
}
