package state

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// putFacts stores the new facts, and resets the listing digest if this change
// breaks it.
func (a *applier) putFacts() error {
	facts := a.Facts
	if a.breaksDigest() {
		text, err := a.meta.get([]byte(metaFacts))
		if err != nil {
			return err
		}
		kept := readFacts(text)
		if facts != nil {
			kept = *facts
		} else if kept.List == (ListDigest{}) {
			return nil
		}
		kept.List = ListDigest{}
		facts = &kept
	}
	if facts == nil {
		return nil
	}
	return putJSON(a.meta, []byte(metaFacts), facts)
}

// putUnrecorded adds up what is settled until a run is recorded.
func (a *applier) putUnrecorded() error {
	switch {
	case a.Run != nil:
		return a.meta.del([]byte(metaUnrecorded))
	case a.settled == Unrecorded{}:
		return nil
	}
	var u Unrecorded
	text, err := a.meta.get([]byte(metaUnrecorded))
	if err != nil {
		return err
	}
	_ = json.Unmarshal(text, &u) // none: from zero
	u.Fetched += a.settled.Fetched
	u.Quarantined += a.settled.Quarantined
	u.Bytes += a.settled.Bytes
	return putJSON(a.meta, []byte(metaUnrecorded), u)
}

// count counts an entry that has just become Done.
func (u *Unrecorded) count(e *Entry) {
	if e.Quarantined() {
		u.Quarantined++
		return
	}
	u.Fetched++
	u.Bytes += e.Size
}

func (a *applier) putRun() error {
	if a.Run == nil {
		return nil
	}
	last, err := a.runs.lastNumber()
	if err != nil {
		return err
	}
	if err := a.runs.b.SetSequence(last + 1); err != nil {
		return err
	}
	if err := putJSON(a.runs, binary.BigEndian.AppendUint64(nil, last+1), a.Run); err != nil {
		return err
	}
	if a.Run.OK() {
		if err := putJSON(a.meta, []byte(metaLastSuccess), a.Run); err != nil {
			return err
		}
	}
	return keepLast(a.runs, keepRuns)
}

func (a *applier) putBudget() error {
	for day, n := range a.Budget {
		old, err := a.budget.get([]byte(day))
		if err != nil {
			return err
		}
		if err := a.budget.put([]byte(day), binary.AppendVarint(nil, max(readInt(old)+n, 0))); err != nil {
			return err
		}
	}
	if len(a.Budget) == 0 {
		return nil
	}
	if err := dropFuture(a.budget, slices.Max(slices.Collect(maps.Keys(a.Budget)))); err != nil {
		return err
	}
	return keepLast(a.budget, keepDays)
}

// dropFuture deletes the days after the one that follows a day: they were
// written under a wrong clock, and would be kept in place of the right ones.
func dropFuture(t *table, day string) error {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil // not a day: nothing is known of its order
	}
	next := at.AddDate(0, 0, 1).Format(time.DateOnly)
	keys, err := t.keys()
	if err != nil {
		return err
	}
	return deleteKeys(t, slices.DeleteFunc(keys, func(k []byte) bool { return string(k) <= next }))
}

// keepLast deletes all but the n greatest keys.
func keepLast(t *table, n int) error {
	keys, err := t.keys()
	if err != nil {
		return err
	}
	return deleteKeys(t, keys[:max(len(keys)-n, 0)])
}

func deleteKeys[K Key | []byte](t *table, keys []K) error {
	for _, k := range keys {
		if err := t.del([]byte(k)); err != nil {
			return err
		}
	}
	return nil
}

func putJSON(t *table, k []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.put(k, text)
}

// readFacts takes damaged facts for none: they are detected again.
func readFacts(v []byte) Facts {
	var f Facts
	if v == nil || json.Unmarshal(v, &f) != nil {
		return Facts{}
	}
	return f
}

func appendCount(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func readCount(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func readInt(v []byte) int64 {
	n, _ := binary.Varint(v)
	return n
}
