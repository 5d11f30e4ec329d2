package state

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Source says how an entry came to be known.
type Source uint8

const (
	// Fetched: retrieved and delivered by mailhaul.
	Fetched Source = iota
	// Marked: declared seen by a person; never retrieved.
	Marked
	// Imported: from another program's seen-list; not proven here.
	Imported
)

// Status is the outcome of one message in one target. Each of them settles
// the target: it is not tried again.
type Status uint8

const (
	// Delivered: visible in the target, durably.
	Delivered Status = iota
	// Quarantined: the target refused it permanently; it is in the quarantine.
	Quarantined
	// Skipped: not wanted in this target (a rule, a duplicate).
	Skipped
)

var (
	sourceNames = [...]string{"fetched", "marked", "imported"}
	statusNames = [...]string{"delivered", "set-aside", "skipped"}
)

// String returns the name used in exports: fetched, marked or imported.
func (s Source) String() string { return enumName(sourceNames[:], uint8(s)) }

// MarshalText writes the name.
func (s Source) MarshalText() ([]byte, error) { return enumText(sourceNames[:], "source", uint8(s)) }

// UnmarshalText accepts the names that MarshalText writes.
func (s *Source) UnmarshalText(b []byte) error {
	return parseEnum(sourceNames[:], "source", b, (*uint8)(s))
}

// String returns the name used in exports: delivered, set-aside or skipped.
func (s Status) String() string { return enumName(statusNames[:], uint8(s)) }

// MarshalText writes the name.
func (s Status) MarshalText() ([]byte, error) { return enumText(statusNames[:], "status", uint8(s)) }

// UnmarshalText accepts the names that MarshalText writes.
func (s *Status) UnmarshalText(b []byte) error {
	return parseEnum(statusNames[:], "status", b, (*uint8)(s))
}

func enumName(names []string, v uint8) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown(%d)", v)
}

func enumText(names []string, what string, v uint8) ([]byte, error) {
	if int(v) >= len(names) {
		return nil, fmt.Errorf("no such %s: %d", what, v)
	}
	return []byte(names[v]), nil
}

func parseEnum(names []string, what string, text []byte, v *uint8) error {
	for i, n := range names {
		if n == string(text) {
			*v = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("no such %s: %q", what, text)
}

// Fingerprint identifies a message by its header; all zero means unknown.
type Fingerprint [16]byte

// IsZero reports whether the fingerprint is unknown.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// MarshalText writes lower-case hex.
func (f Fingerprint) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, f[:]), nil }

// UnmarshalText reads hex of the full length.
func (f *Fingerprint) UnmarshalText(b []byte) error { return parseHex(f[:], b) }

// Sum is a SHA-256 that JSON shows as hex; all zero means unknown. Values of
// type [32]byte are assignable to it and comparable with it.
type Sum [32]byte

// IsZero reports whether the sum is unknown.
func (s Sum) IsZero() bool { return s == Sum{} }

// MarshalText writes lower-case hex.
func (s Sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads hex of the full length.
func (s *Sum) UnmarshalText(b []byte) error { return parseHex(s[:], b) }

func parseHex(dst, text []byte) error {
	if hex.DecodedLen(len(text)) != len(dst) || len(text)%2 != 0 {
		return fmt.Errorf("want %d hex digits, not %d", hex.EncodedLen(len(dst)), len(text))
	}
	_, err := hex.Decode(dst, text)
	return err
}

// Outcome is what became of a message in one target.
type Outcome struct {
	// Target is the target's name, as the engine spells it.
	Target string `json:"target"`
	Status Status `json:"status"`
	// Receipt says where the message is (deliver.Result.Receipt).
	Receipt string    `json:"receipt,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Entry is what is remembered of one message. Times are stored in whole
// seconds and come back in UTC.
type Entry struct {
	Key Key
	// Size is the delivered size in bytes with LF line ends; negative: unknown.
	Size int64
	// SHA256 is the sum of the delivered bytes; all zero: unknown.
	SHA256 [32]byte
	// Content is the sum of the message as the server had it, without the fields
	// that servers add themselves and without what was added here; all zero: it
	// is SHA256.
	Content [32]byte
	// Fingerprint is that of the header; all zero: unknown.
	Fingerprint Fingerprint
	// ByHeader: it was delivered under another key, and only its header says
	// that the message of this key is the same.
	ByHeader bool
	// FirstSeen is when the message was first known here: retention counts
	// from it.
	FirstSeen time.Time
	Source    Source
	// Done: every target of the account has an outcome. Only then may the
	// message be deleted from the server, and is it not retrieved again.
	Done     bool
	Outcomes []Outcome
	// Verified is when the delivered copy was last read back and found equal;
	// zero: never.
	Verified time.Time
	// Deleted is when the server confirmed its deletion; zero: never.
	Deleted time.Time
	// Asked: its deletion was asked for and not confirmed, so the server may have
	// carried it out. The next listing shows it.
	Asked bool
}

// Quarantined reports whether a target refused the message.
func (e *Entry) Quarantined() bool {
	return slices.ContainsFunc(e.Outcomes, func(o Outcome) bool { return o.Status == Quarantined })
}

// covers reports whether every target has an outcome. An empty list is not
// covered: without the account's targets nothing can be called done.
func (e *Entry) covers(targets []string) bool {
	return len(targets) > 0 && !slices.ContainsFunc(targets, func(t string) bool { return e.outcome(t) == nil })
}

func (e *Entry) outcome(target string) *Outcome {
	for i := range e.Outcomes {
		if e.Outcomes[i].Target == target {
			return &e.Outcomes[i]
		}
	}
	return nil
}

// Key identifies one message of a maildrop: the server's unique-id and its number
// among equal ones in a listing. Some servers list a UID twice although RFC 1939
// section 7 forbids it; each occurrence is a message.
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

// Nth returns the number of the occurrence of the UID; 0 is the first.
func (k Key) Nth() int {
	i := strings.LastIndexByte(string(k), 0)
	if i < 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(k[i+1:])) // written by NewKey; foreign bytes count as 0
	return max(n, 0)
}

// targets maps target names to the small numbers that entries hold. Numbers
// are given in order of first use and never taken back.
type targets struct {
	names   []string // number n is names[n-1]
	numbers map[string]uint64
}

func newTargets() *targets { return &targets{numbers: map[string]uint64{}} }

// add takes the next record of the bucket.
func (t *targets) add(k, v []byte) error {
	if len(k) != 4 || int(binary.BigEndian.Uint32(k)) != len(t.names)+1 {
		return fmt.Errorf("%w (target numbers)", ErrNotState)
	}
	t.names = append(t.names, string(v))
	t.numbers[string(v)] = uint64(len(t.names))
	return nil
}

func (a *applier) loadTargets() (*targets, error) {
	t := newTargets()
	keys, err := a.names.keys()
	for _, k := range keys {
		v, err := a.names.get(k)
		if err == nil {
			err = t.add(k, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, err
}

func (t *targets) name(number uint64) (string, bool) {
	if number == 0 || number > uint64(len(t.names)) {
		return "", false
	}
	return t.names[number-1], true
}

// number returns the number of target, which it stores if it is new.
func (t *targets) number(names *table, target string) (uint64, error) {
	if n, ok := t.numbers[target]; ok {
		return n, nil
	}
	n := uint64(len(t.names) + 1)
	if err := names.put(binary.BigEndian.AppendUint32(nil, uint32(n)), []byte(target)); err != nil {
		return 0, err
	}
	t.names = append(t.names, target)
	t.numbers[target] = n
	return n, nil
}
