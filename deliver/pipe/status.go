package pipe

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
)

// verdict says what an exit status other than 0 means (package comment).
// A negative status is a signal. fixed: the recipients are those of the
// configuration, the same for each message, and the command has taken none for
// them. said is the command's output.
func verdict(status int, fixed bool, said string) deliver.Class {
	switch status {
	case 67, 68:
		if fixed {
			return deliver.CannotCreate
		}
		return deliver.Never
	case 69, 71, 74, 75:
		return deliver.Later
	case 77: // maildrop and deliverquota: the mailbox is full
		if strings.Contains(strings.ToLower(said), "quota") {
			return deliver.Later
		}
		return deliver.Never
	case 65:
		return deliver.Never
	case 64, 72, 73, 78, 126, 127:
		return deliver.CannotCreate
	}
	return deliver.Failed
}

// statusName is the name of a status in sysexits.h, or empty.
func statusName(status int) string {
	names := [...]string{"USAGE", "DATAERR", "NOINPUT", "NOUSER", "NOHOST", "UNAVAILABLE", "SOFTWARE",
		"OSERR", "OSFILE", "CANTCREAT", "IOERR", "TEMPFAIL", "PROTOCOL", "NOPERM", "CONFIG"}
	if i := status - 64; i >= 0 && i < len(names) {
		return " (EX_" + names[i] + ")"
	}
	return ""
}

// maxOutput is how much of a command's output is kept for the text of an error.
const maxOutput = 4 << 10

// capped keeps the first bytes that are written to it and counts the rest.
type capped struct {
	buf     []byte
	dropped int64
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), maxOutput-len(c.buf))
	c.buf = append(c.buf, p[:n]...)
	c.dropped += int64(len(p) - n)
	return len(p), nil
}

// String is what was written, on one line and safe for terminals and logs.
func (c *capped) String() string {
	text := clean(strings.TrimSpace(string(c.buf)))
	if c.dropped > 0 {
		text += fmt.Sprintf(" (and %d bytes more)", c.dropped)
	}
	return text
}

// clean escapes control characters and bytes that are not UTF-8. Lines are
// joined with " | ".
func clean(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n':
			b.WriteString(" | ")
		case unicode.IsPrint(r) && !(r == utf8.RuneError && n == 1):
			b.WriteRune(r)
		default:
			q := strconv.Quote(s[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}
