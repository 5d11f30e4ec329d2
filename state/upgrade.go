package state

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// sealAtOnce is how many records are rewritten between two looks at the bucket,
// which may not change while it is read.
const sealAtOnce = 1000

// sealAll is the step from format version 1 to 2: each record gets its sum. What
// cannot be read is refused now, before a sum makes it look whole.
func sealAll(tx *bbolt.Tx) error {
	names := newTargets()
	if err := tx.Bucket([]byte(bucketTargets)).ForEach(names.add); err != nil {
		return err
	}
	meta := tx.Bucket([]byte(bucketMeta))
	count := readCount(meta.Get([]byte(metaCount)))
	if err := meta.Delete([]byte(metaCount)); err != nil {
		return err
	}
	if count >= scatteredMin { // written in place, it leaves as much free
		if err := meta.Put([]byte(metaScattered), appendCount(count)); err != nil {
			return err
		}
	}
	var l tallies
	for _, name := range buckets() {
		if name == bucketFlaws { // the next change adds it
			l.list = append(l.list, tally{})
			continue
		}
		t, err := sealBucket(tx.Bucket([]byte(name)), newSealer(name, sealedVersion), readable(name, names))
		if err != nil {
			return err
		}
		l.list = append(l.list, t)
	}
	if n := l.of(bucketEntries).n; n != count {
		return fmt.Errorf("%w (%d of %d records are there)", ErrNotState, n, count)
	}
	return l.put(tx)
}

// readable checks a record of version 1.
func readable(bucket string, names *targets) func(k, v []byte) error {
	return func(k, v []byte) (err error) {
		switch bucket {
		case bucketEntries:
			_, err = decodeEntry("", v, names.name)
		case bucketIntents:
			_, err = decodeIntent(k, v, names.name)
		}
		return err
	}
}

// sealBucket rewrites all records of a bucket.
func sealBucket(b *bbolt.Bucket, s sealer, readable func(k, v []byte) error) (t tally, err error) {
	b.FillPercent = fillAscending
	c := b.Cursor()
	k, v := c.First()
	for k != nil {
		var keys, values [][]byte
		for ; k != nil && len(keys) < sealAtOnce; k, v = c.Next() {
			if err := readable(k, v); err != nil {
				return t, fmt.Errorf("record %q: %w", k, err)
			}
			if s.bareKey(k) {
				continue
			}
			keys, values = append(keys, bytes.Clone(k)), append(values, s.seal(k, bytes.Clone(v)))
		}
		next := bytes.Clone(k)
		for i, k := range keys {
			t.add(sumOf(values[i]))
			if err := b.Put(k, values[i]); err != nil {
				return t, err
			}
		}
		if next == nil {
			break
		}
		k, v = c.Seek(next)
	}
	return t, nil
}
