package state

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// putFacts stores the new facts, and resets the listing digest if this change
// breaks it.
func (a *applier) putFacts() error {
	facts := a.Facts
	if a.breaksDigest() {
		kept := readFacts(a.meta.Get([]byte(metaFacts)))
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

func (a *applier) putCount() error {
	if a.added == 0 {
		return nil
	}
	n := int64(readCount(a.meta.Get([]byte(metaCount)))) + a.added
	return a.meta.Put([]byte(metaCount), appendCount(uint64(max(n, 0))))
}

func (a *applier) putRun() error {
	if a.Run == nil {
		return nil
	}
	runs := a.tx.Bucket([]byte(bucketRuns))
	id, err := runs.NextSequence()
	if err != nil {
		return err
	}
	if err := putJSON(runs, binary.BigEndian.AppendUint64(nil, id), a.Run); err != nil {
		return err
	}
	if a.Run.OK() {
		if err := putJSON(a.meta, []byte(metaLastSuccess), a.Run); err != nil {
			return err
		}
	}
	return keepLast(runs, keepRuns)
}

func (a *applier) putBudget() error {
	b := a.tx.Bucket([]byte(bucketBudget))
	for day, n := range a.Budget {
		sum := max(readInt(b.Get([]byte(day)))+n, 0)
		if err := b.Put([]byte(day), binary.AppendVarint(nil, sum)); err != nil {
			return err
		}
	}
	if len(a.Budget) == 0 {
		return nil
	}
	if err := dropFuture(b, slices.Max(slices.Collect(maps.Keys(a.Budget)))); err != nil {
		return err
	}
	return keepLast(b, keepDays)
}

// dropFuture deletes the days after the one that follows a day: they were
// written under a wrong clock, and would be kept in place of the right ones.
func dropFuture(b *bbolt.Bucket, day string) error {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil // not a day: nothing is known of its order
	}
	next := at.AddDate(0, 0, 1).Format(time.DateOnly)
	var keys []Key
	err = b.ForEach(func(k, _ []byte) error {
		if string(k) > next {
			keys = append(keys, Key(k))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return deleteKeys(b, keys)
}

// keepLast deletes all but the n greatest keys.
func keepLast(b *bbolt.Bucket, n int) error {
	var keys [][]byte
	err := b.ForEach(func(k, _ []byte) error {
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range keys[:max(len(keys)-n, 0)] {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func deleteKeys(b *bbolt.Bucket, keys []Key) error {
	for _, k := range keys {
		if err := b.Delete([]byte(k)); err != nil {
			return err
		}
	}
	return nil
}

func putJSON(b *bbolt.Bucket, k []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(k, text)
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
