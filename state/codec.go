package state

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The encoding of an entry, in this order (a typical one has 75 bytes):
//
//	flags        1 byte: 0 done, 1-2 source, 3 SHA-256, 4 fingerprint,
//	             5 verified, 6 deleted, 7 more
//	more flags   1 byte, if flagged: 0 content, 1 by header, 2 asked
//	size + 1     uvarint; 0 is unknown
//	first seen   time since 2020
//	verified     time since first seen, if flagged
//	deleted      time since first seen, if flagged
//	fingerprint  16 bytes, if flagged
//	SHA-256      32 bytes, if flagged
//	content      32 bytes, if flagged
//	outcomes     uvarint count, each: uvarint target number * 8 + status,
//	             uvarint length and bytes of the receipt, time since first seen
//
// A time is a uvarint: 0 for the zero time, else the zigzag of its distance in
// seconds, plus 1.
const (
	flagDone = 1 << iota
	_        // source, two bits
	_
	flagSHA256
	flagFingerprint
	flagVerified
	flagDeleted
	flagMore

	sourceShift = 1
	sourceMask  = 3
	statusShift = 3
	statusMask  = 1<<statusShift - 1
)

// The bits of the more flags.
const (
	moreContent = 1 << iota
	moreByHeader
	moreAsked
	moreUnknown
)

// epoch is 2020-01-01T00:00:00Z: times near it take four or five bytes.
const epoch = 1577836800

var errCorrupt = fmt.Errorf("%w (a damaged record)", ErrNotState)

// Record is an encoded Entry as [View.Records] yields it. Its methods read
// only the bytes they need, do not allocate, and answer as for an unknown,
// unfinished message if the bytes are damaged.
type Record []byte

// Done is Entry.Done.
func (r Record) Done() bool {
	return r.sound() && r[0]&flagDone != 0
}

// Source is Entry.Source.
func (r Record) Source() Source {
	if len(r) == 0 {
		return Imported // the one that allows least
	}
	return Source(r[0] >> sourceShift & sourceMask)
}

// FirstSeen is Entry.FirstSeen.
func (r Record) FirstSeen() time.Time { h, _ := r.head(); return h.firstSeen }

// WasDeleted reports whether Deleted is set; it looks at one byte.
func (r Record) WasDeleted() bool {
	return r.sound() && r[0]&flagDeleted != 0
}

// WasAsked reports whether Asked is set; it looks at two bytes.
func (r Record) WasAsked() bool {
	return r.sound() && r[0]&flagMore != 0 && r[1]&moreAsked != 0
}

// sound looks at the flags.
func (r Record) sound() bool {
	return len(r) > 0 && (r[0]&flagMore == 0 || len(r) > 1 && r[1] > 0 && r[1] < moreUnknown)
}

// head is the part of an entry before its sums.
type head struct {
	flags, more                  byte
	size                         int64
	base                         int64
	firstSeen, verified, deleted time.Time
}

func (r Record) head() (head, decoder) {
	d := decoder{b: r}
	h := head{flags: d.byte()}
	if h.flags&flagMore != 0 {
		h.more = d.byte()
	}
	h.size = d.size()
	h.firstSeen = d.time(epoch)
	h.base = base(h.firstSeen)
	if h.flags&flagVerified != 0 {
		h.verified = d.time(h.base)
	}
	if h.flags&flagDeleted != 0 {
		h.deleted = d.time(h.base)
	}
	if d.bad || !r.sound() {
		return head{size: -1}, decoder{bad: true}
	}
	return h, d
}

// append writes the head again, and the flags as they then are.
func (h *head) append(b []byte) []byte {
	h.flags &^= flagVerified | flagDeleted | flagMore
	h.flags |= flag(!h.verified.IsZero(), flagVerified) | flag(!h.deleted.IsZero(), flagDeleted) | flag(h.more != 0, flagMore)
	h.base = base(h.firstSeen)
	b = append(b, h.flags)
	if h.flags&flagMore != 0 {
		b = append(b, h.more)
	}
	b = binary.AppendUvarint(b, uint64(max(h.size, -1)+1))
	b = appendTime(b, h.firstSeen, epoch)
	if h.flags&flagVerified != 0 {
		b = appendTime(b, h.verified, h.base)
	}
	if h.flags&flagDeleted != 0 {
		b = appendTime(b, h.deleted, h.base)
	}
	return b
}

// withDeleted returns a copy whose Deleted is at.
func (r Record) withDeleted(at time.Time) (Record, error) {
	return r.with(func(h *head) { h.deleted, h.more = at, h.more&^moreAsked })
}

// withAsked returns a copy whose Asked is set, withoutAsked one whose is not.
func (r Record) withAsked() (Record, error)    { return r.with(func(h *head) { h.more |= moreAsked }) }
func (r Record) withoutAsked() (Record, error) { return r.with(func(h *head) { h.more &^= moreAsked }) }

// with returns a copy with another head.
func (r Record) with(set func(*head)) (Record, error) {
	h, rest := r.head()
	if rest.bad {
		return nil, errCorrupt
	}
	set(&h)
	b := h.append(make([]byte, 0, len(r)+1+binary.MaxVarintLen64))
	return append(b, rest.b...), nil
}

func appendEntry(b []byte, e *Entry, number func(target string) (uint64, error)) ([]byte, error) {
	if e.Source > Imported {
		return nil, fmt.Errorf("no such source: %d", e.Source)
	}
	h := head{size: e.Size, firstSeen: e.FirstSeen, verified: e.Verified, deleted: e.Deleted}
	h.flags = byte(e.Source)<<sourceShift | flag(e.Done, flagDone) |
		flag(e.SHA256 != [32]byte{}, flagSHA256) | flag(!e.Fingerprint.IsZero(), flagFingerprint)
	h.more = flag(e.Content != [32]byte{}, moreContent) | flag(e.ByHeader, moreByHeader) | flag(e.Asked, moreAsked)
	b = h.append(b)
	if h.flags&flagFingerprint != 0 {
		b = append(b, e.Fingerprint[:]...)
	}
	if h.flags&flagSHA256 != 0 {
		b = append(b, e.SHA256[:]...)
	}
	if h.more&moreContent != 0 {
		b = append(b, e.Content[:]...)
	}
	return appendOutcomes(b, e.Outcomes, h.base, number)
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func appendOutcomes(b []byte, outcomes []Outcome, from int64, number func(string) (uint64, error)) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(outcomes)))
	for _, o := range outcomes {
		if o.Status > Skipped {
			return nil, fmt.Errorf("no such status: %d", o.Status)
		}
		n, err := number(o.Target)
		if err != nil {
			return nil, err
		}
		b = binary.AppendUvarint(b, n<<statusShift|uint64(o.Status))
		b = appendString(b, o.Receipt)
		b = appendTime(b, o.At, from)
	}
	return b, nil
}

func decodeEntry(k Key, r Record, name func(number uint64) (string, bool)) (Entry, error) {
	h, d := r.head()
	e := Entry{Key: k, Size: h.size, FirstSeen: h.firstSeen, Verified: h.verified, Deleted: h.deleted,
		Source: Source(h.flags >> sourceShift & sourceMask), Done: h.flags&flagDone != 0, ByHeader: h.more&moreByHeader != 0, Asked: h.more&moreAsked != 0}
	if h.flags&flagFingerprint != 0 {
		copy(e.Fingerprint[:], d.bytes(uint64(len(e.Fingerprint))))
	}
	if h.flags&flagSHA256 != 0 {
		copy(e.SHA256[:], d.bytes(uint64(len(e.SHA256))))
	}
	if h.more&moreContent != 0 {
		copy(e.Content[:], d.bytes(uint64(len(e.Content))))
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		v := d.uvarint()
		target, ok := name(v >> statusShift)
		o := Outcome{Target: target, Status: Status(v & statusMask), Receipt: d.string(), At: d.time(h.base)}
		if !ok || o.Status > Skipped {
			d.bad = true
		}
		e.Outcomes = append(e.Outcomes, o)
	}
	if d.bad || len(d.b) > 0 || e.Source > Imported {
		return Entry{Key: k, Size: -1, Source: Imported}, errCorrupt
	}
	return e, nil
}

// base is what the later times of an entry are relative to.
func base(firstSeen time.Time) int64 {
	if firstSeen.IsZero() {
		return epoch
	}
	return firstSeen.Unix()
}

func appendTime(b []byte, t time.Time, from int64) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	d := t.Unix() - from
	return binary.AppendUvarint(b, uint64(d<<1^d>>63)+1)
}

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads a value from the front. After the first error it is bad, and
// all it returns is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a part of the input, not a copy.
func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes(d.uvarint())) }

// size reads a size plus 1; what no size can be is unknown.
func (d *decoder) size() int64 { return max(int64(d.uvarint())-1, -1) }

func (d *decoder) time(from int64) time.Time {
	v := d.uvarint()
	if v == 0 {
		return time.Time{}
	}
	v--
	return time.Unix(int64(v>>1)^-int64(v&1)+from, 0).UTC()
}
