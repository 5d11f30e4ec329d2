package maildir

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sweepAge is how old a file in tmp/ may get: the Maildir specification lets
// every reader remove it after 36 hours.
const sweepAge = 36 * time.Hour

// maxHost keeps a name, with the flags that a reader adds, below 255 bytes.
const maxHost = 120

func newRandom() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "R" + hex.EncodeToString(b[:])
}

// escapeHost makes a host name fit for a file name: '/' becomes \057 and ':'
// \072 as the Maildir specification says, and so do all other bytes that might
// mislead a parser of names (',' begins a field) or a terminal.
func escapeHost(host string) string {
	var b strings.Builder
	for _, c := range []byte(host) {
		if b.Len() >= maxHost {
			break
		}
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	if b.Len() == 0 {
		return "localhost"
	}
	return b.String()
}

// name is a file name that this package made, in parts of the whole.
type name struct {
	seconds int64  // the first field
	receipt string // SECONDS.R...Q..., what Result.Receipt holds
	rest    string // ".HOST", ",S=SIZE", what a reader added
}

// date is the message's date in the name of a delivered file.
func (n name) date() time.Time { return time.Unix(n.seconds, 0) }

// size returns the value of ",S=".
func (n name) size() (int64, bool) {
	_, s, ok := strings.Cut(n.rest, ",S=")
	if !ok {
		return 0, false
	}
	s, _, _ = strings.Cut(s, ":")
	s, _, _ = strings.Cut(s, ",")
	size, err := strconv.ParseInt(s, 10, 64)
	return size, err == nil && size >= 0
}

// parseName reads names of this package and no others, with or without host,
// fields and flags: receipts parse, too.
func parseName(s string) (n name, ok bool) {
	first, rest, ok := strings.Cut(s, ".R")
	if !ok || !digits(first) || len(first) > 1 && first[0] == '0' {
		return name{}, false
	}
	if len(rest) < 18 || rest[16] != 'Q' || strings.Trim(rest[:16], "0123456789abcdef") != "" {
		return name{}, false
	}
	rest = strings.TrimLeft(rest[17:], "0123456789")
	end := len(s) - len(rest)
	if s[end-1] == 'Q' || rest != "" && rest[0] != '.' {
		return name{}, false
	}
	n = name{receipt: s[:end], rest: rest}
	n.seconds, _ = strconv.ParseInt(first, 10, 64) // digits allows no other
	return n, true
}

// digits allows what fits in an int64, so that parsing cannot fail.
func digits(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}

// seconds is a date as it stands in a name; there is nothing before 1970.
func seconds(t time.Time) int64 { return max(t.Unix(), 0) }

// stale reports whether a file staged at that second may have been removed by
// a mail reader. A clock that went back makes nothing stale.
func stale(staged int64, now time.Time) bool {
	return now.Sub(time.Unix(staged, 0)) > sweepAge
}
