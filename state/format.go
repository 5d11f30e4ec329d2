package state

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// formatVersion is the format that this program writes.
const formatVersion = 2

// sealedVersion is the first whose records have sums (table.go).
const sealedVersion = 2

const magic = "mailhaul state"

// The names of buckets, and of keys in the bucket meta.
const (
	bucketMeta     = "meta"
	bucketEntries  = "entries"
	bucketIntents  = "intents"
	bucketTargets  = "targets"
	bucketFailures = "failures"
	bucketGone     = "gone"
	bucketRuns     = "runs"
	bucketBudget   = "budget"
	bucketFlaws    = "flaws"
	bucketCopies   = "copies"

	metaMagic       = "magic"
	metaVersion     = "version"
	metaCount       = "count" // in format version 1
	metaTallies     = "tallies"
	metaScattered   = "scattered"
	metaFacts       = "facts"
	metaLastSuccess = "last_success"
	metaUnrecorded  = "unrecorded"
)

func buckets() []string {
	return []string{bucketMeta, bucketEntries, bucketIntents, bucketTargets,
		bucketFailures, bucketGone, bucketRuns, bucketBudget, bucketFlaws, bucketCopies}
}

// later reports whether files of before lack a bucket: the next change adds it.
func later(bucket string) bool { return bucket == bucketFlaws || bucket == bucketCopies }

// upgrade brings a file from the version it is filed under to the next one.
type upgrade func(*bbolt.Tx) error

// upgrades returns the steps from every older version. When the format
// changes: raise formatVersion, and add the step from the version before.
func upgrades() map[int]upgrade { return map[int]upgrade{1: sealAll} }

// format lays out an empty file.
func format(tx *bbolt.Tx, version int) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	meta := tx.Bucket([]byte(bucketMeta))
	err := errors.Join(meta.Put([]byte(metaMagic), []byte(magic)), putVersion(meta, version))
	if err == nil && version >= sealedVersion {
		err = (&tallies{list: make([]tally, len(buckets()))}).put(tx)
	}
	return err
}

func putVersion(meta *bbolt.Bucket, version int) error {
	return meta.Put([]byte(metaVersion), []byte(strconv.Itoa(version)))
}

// check refuses a file that is no state file, and upgrades an older format.
func (db *DB) check(want int, steps map[int]upgrade) (err error) {
	defer faultsPanic()()
	defer db.contain(&err)
	if err := db.checkPages(); err != nil {
		return err
	}
	var have int
	err = db.bolt.View(func(tx *bbolt.Tx) (err error) {
		have, err = readVersion(tx)
		return err
	})
	db.version = have
	switch {
	case err != nil:
		return err
	case have > want:
		return &VersionError{Path: db.path, Have: have, Want: want}
	case have == want, have > 0 && db.bolt.IsReadOnly():
		return db.checkBuckets()
	case db.bolt.IsReadOnly():
		return ErrNotState
	}
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		if have == 0 {
			return format(tx, want)
		}
		return runUpgrades(tx, have, want, steps)
	})
	if err != nil {
		return err
	}
	db.version = want
	return db.checkBuckets()
}

// checkPages checks the pages before bbolt reads one.
func (db *DB) checkPages() error {
	m, err := readMetas(db.file)
	if err != nil {
		return err
	}
	return db.snapshot(func(img image) error { return checkStructure(img, m) })
}

// readVersion returns 0 for a database with nothing in it: the file system
// has no links, and the creation was cut between bbolt's layout and ours.
func readVersion(tx *bbolt.Tx) (int, error) {
	meta := tx.Bucket([]byte(bucketMeta))
	if meta == nil {
		if k, _ := tx.Cursor().First(); k == nil {
			return 0, nil
		}
		return 0, ErrNotState
	}
	if !bytes.Equal(meta.Get([]byte(metaMagic)), []byte(magic)) {
		return 0, ErrNotState
	}
	v, err := strconv.Atoi(string(meta.Get([]byte(metaVersion))))
	if err != nil || v < 1 {
		return 0, ErrNotState
	}
	return v, nil
}

// checkBuckets checks that all buckets are there, and what is in meta.
func (db *DB) checkBuckets() error {
	return db.view(func(v *View) error {
		for _, name := range buckets() {
			v.guard(func() error { _, err := v.img.tree(name); return err })
		}
		v.each(bucketMeta, func(_, _ []byte) error { return nil })
		return nil
	})
}

// runUpgrades takes all steps in one transaction: a crash leaves the old
// version whole.
func runUpgrades(tx *bbolt.Tx, have, want int, steps map[int]upgrade) error {
	for v := have; v < want; v++ {
		step := steps[v]
		if step == nil {
			return fmt.Errorf("no upgrade from state format %d", v)
		}
		if err := step(tx); err != nil {
			return fmt.Errorf("upgrade from state format %d: %w", v, err)
		}
	}
	return putVersion(tx.Bucket([]byte(bucketMeta)), want)
}

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
		if later(name) {
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
