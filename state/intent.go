package state

import (
	"encoding/binary"
	"time"
)

// Intent is a message about to become visible in one target. It is recorded
// before that happens, and settled after; one found at the start of a run was
// left by a crash.
type Intent struct {
	// ID is assigned by Apply, ascending; never used twice in one file.
	ID     uint64
	Key    Key
	Target string
	// Status is what the outcome will be once it is visible.
	Status Status
	// Size, SHA256, Content and Fingerprint are as in Entry, which gets them.
	Size        int64
	SHA256      [32]byte
	Content     [32]byte
	Fingerprint Fingerprint
	// At is when it was staged; it becomes the outcome's time, in seconds.
	At time.Time
	// Kind, Data and Receipt are deliver.Intent's.
	Kind    string
	Data    []byte
	Receipt string
}

// encodeIntent writes all but the ID: target number, status, key, size + 1, time,
// sums, kind, data, receipt, and the content if there is one of its own.
func encodeIntent(i *Intent, target uint64) []byte {
	const rest = 1 + 2*len(i.SHA256) + len(i.Fingerprint) + 7*binary.MaxVarintLen64
	b := make([]byte, 0, rest+len(i.Key)+len(i.Kind)+len(i.Data)+len(i.Receipt))
	b = binary.AppendUvarint(b, target)
	b = append(b, byte(i.Status))
	b = appendString(b, string(i.Key))
	b = binary.AppendUvarint(b, uint64(max(i.Size, -1)+1))
	b = appendTime(b, i.At, epoch)
	b = append(b, i.SHA256[:]...)
	b = append(b, i.Fingerprint[:]...)
	b = appendString(b, i.Kind)
	b = appendString(b, i.Data)
	b = appendString(b, i.Receipt)
	if i.Content != ([32]byte{}) {
		b = append(b, i.Content[:]...)
	}
	return b
}

// decodeIntent returns copies: nothing in the result points into b.
func decodeIntent(id, b []byte, name func(uint64) (string, bool)) (Intent, error) {
	if len(id) != 8 {
		return Intent{}, errCorrupt
	}
	d := decoder{b: b}
	target, ok := name(d.uvarint())
	i := Intent{ID: binary.BigEndian.Uint64(id), Target: target}
	if status := d.bytes(1); len(status) == 1 {
		i.Status = Status(status[0])
	}
	i.Key = Key(d.string())
	i.Size = d.size()
	i.At = d.time(epoch)
	copy(i.SHA256[:], d.bytes(uint64(len(i.SHA256))))
	copy(i.Fingerprint[:], d.bytes(uint64(len(i.Fingerprint))))
	i.Kind = d.string()
	if data := d.string(); data != "" {
		i.Data = []byte(data)
	}
	i.Receipt = d.string()
	if !d.bad && len(d.b) > 0 {
		copy(i.Content[:], d.bytes(uint64(len(i.Content))))
	}
	if d.bad || !ok || len(d.b) > 0 {
		return Intent{}, errCorrupt
	}
	return i, nil
}
