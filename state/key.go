package state

import (
	"strconv"
	"strings"
)

// Key names one message of a maildrop: the server's unique-id and which of
// several equal ones in a listing is meant. Servers do list a UID twice; each
// occurrence is a message (RFC 1939 section 7 forbids it, so it happens).
type Key string

// NewKey returns the key of the nth occurrence (0 is the first) of uid in a
// listing. For the first it is the uid itself, else uid, NUL and nth in
// decimal; distinct arguments give distinct keys, whatever uid holds.
func NewKey(uid string, nth int) Key {
	if nth <= 0 && strings.IndexByte(uid, 0) < 0 {
		return Key(uid)
	}
	return Key(uid + "\x00" + strconv.Itoa(max(nth, 0)))
}

// UID returns the unique-id as the server sent it.
func (k Key) UID() string {
	if i := strings.LastIndexByte(string(k), 0); i >= 0 {
		return string(k[:i])
	}
	return string(k)
}

// Nth returns which occurrence of the UID is meant; 0 is the first.
func (k Key) Nth() int {
	i := strings.LastIndexByte(string(k), 0)
	if i < 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(k[i+1:])) // written by NewKey; foreign bytes count as 0
	return max(n, 0)
}
