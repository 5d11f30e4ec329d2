package state

import (
	"encoding/binary"
	"slices"
	"time"
)

// Change is one transaction. The steps are taken in the order of the fields.
type Change struct {
	// Targets are all targets of the account: a settled entry whose outcomes
	// cover them becomes Done. Without them no settled entry does.
	Targets []string
	// Settle turns intents into outcomes. An ID that is not recorded is an
	// error: the entry it stands for would be missing.
	Settle []Settlement
	// Put stores entries whole, replacing what was there.
	Put []Entry
	// Forget removes entries and all else known under their keys but intents.
	Forget []Key
	// Fail replaces the failure record of each key and target. Unfail removes
	// all of a key, and so does settling an entry that becomes Done.
	Fail   []Failure
	Unfail []Key
	// Flaws replaces what verify found of the copies of each key; none: all is well.
	Flaws map[Key][]Flaw
	// Copies add who got messages of which the server may hold several copies.
	Copies []Copy
	// Gone are known keys that the listing at GoneAt no longer held; those
	// already gone keep their time. Back are gone keys that it held again.
	Gone   []Key
	GoneAt time.Time
	Back   []Key
	// Deleted are keys whose deletion the server confirmed (QUIT +OK) at
	// DeletedAt: they are gone since then. Unknown keys are passed over.
	Deleted   []Key
	DeletedAt time.Time
	// Unasked are keys of Asked in an earlier change that is answered now: what it
	// confirmed is in Deleted, and what it left open in Asked.
	Unasked []Key
	// Asked are keys whose deletion was asked for and not confirmed. Unknown keys
	// are passed over.
	Asked []Key
	// Intend records intents. Their IDs are filled in once it is durable.
	Intend []Intent
	// Facts replaces the facts; nil leaves them. See ListDigest for the one
	// field that Apply may reset.
	Facts *Facts
	// Run is appended to the history, of which 50 are kept.
	Run *Run
	// Budget is added to the bytes retrieved on each day ("2006-01-02", the
	// engine chooses the zone); three days are kept.
	Budget map[string]int64
}

// Settlement is the end of an intent.
type Settlement struct {
	Intent uint64
	Status Status
	// Drop: it did not become visible; the intent is removed, no more.
	Drop bool
	// Receipt replaces the intent's if not empty.
	Receipt string
}

func (c *Change) empty() bool {
	return len(c.Settle)+len(c.Put)+len(c.Forget)+len(c.Fail)+len(c.Unfail)+
		len(c.Gone)+len(c.Back)+len(c.Deleted)+len(c.Asked)+len(c.Unasked)+len(c.Intend)+len(c.Budget)+len(c.Flaws)+len(c.Copies) == 0 &&
		c.Facts == nil && c.Run == nil
}

// breaksDigest applies the rule of ListDigest.
func (c *Change) breaksDigest() bool {
	return len(c.Forget)+len(c.Deleted)+len(c.Asked) > 0 || slices.ContainsFunc(c.Put, func(e Entry) bool { return !e.Done })
}

// Intent is a message about to become visible in one target. It is recorded
// before that happens, and settled after; one found at the start of a run was
// left by a crash.
type Intent struct {
	// ID is assigned by Apply, ascending; not used by two recorded intents at a time.
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
