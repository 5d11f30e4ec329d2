package state

import (
	"errors"
	"os"

	"go.etcd.io/bbolt"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// A key that is inserted between others splits a full page into two half-empty
// ones. If a server's UIDs have no order, the file would grow to twice its
// content. So it is rewritten without gaps once enough keys were inserted that way
// or removed: at least scatteredMin, and one in scatteredShare entries.
const (
	scatteredMin   = 1000
	scatteredShare = 64
	// compactTx bounds the memory that it takes.
	compactTx = 1 << 20
)

// errReplaced is for an Apply that comes while the file is being closed.
var errReplaced = errors.New("state file is being closed")

// putScattered counts the keys that leave gaps.
func (a *applier) putScattered() error {
	if a.behind+a.forgotten == 0 {
		return nil
	}
	v, err := a.meta.get([]byte(metaScattered))
	if err != nil {
		return err
	}
	return a.meta.put([]byte(metaScattered), appendCount(readCount(v)+uint64(a.behind+a.forgotten)))
}

// scattered reports whether the file should be rewritten.
func (ts *tables) scattered() bool {
	v, err := ts.meta.get([]byte(metaScattered))
	n := readCount(v)
	return err == nil && n >= scatteredMin && n >= ts.tallies.of(bucketEntries).n/scatteredShare
}

// compact replaces the file by a dense copy if it has enough gaps. It keeps bbolt's
// write transaction open until the end, so that nothing is applied to the old file
// after the copy has begun. If it fails, the old file stays, with the same content.
// A file of another format version is not changed.
func (db *DB) compact() (err error) {
	if db.version != formatVersion {
		return nil
	}
	defer faultsPanic()()
	defer db.contain(&err)
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	ts, err := db.openTables(tx)
	if err != nil || !ts.scattered() || !stillAt(db.path, db.file) {
		return err
	}
	for _, t := range ts.all {
		if err := t.whole(); err != nil {
			return err
		}
	}
	db.closing.Store(true)
	tmp := db.path + ".compact" // the lock on the old file makes it ours
	if err := durable.Remove(tmp); err != nil {
		return err
	}
	defer os.Remove(tmp) // gone already, if all went well
	if err := copyDense(tmp, db.bolt, ts.tallies); err != nil {
		return err
	}
	return durable.Rename(tmp, db.path)
}

// copyDense writes all of src to a new, durable file.
func copyDense(path string, src *bbolt.DB, l *tallies) error {
	dst, err := openBolt(path, false)
	if err != nil {
		return err
	}
	dst.bolt.NoSync = true // once, at the end
	err = bbolt.Compact(dst.bolt, src, compactTx)
	if err == nil {
		err = dst.bolt.Update(func(tx *bbolt.Tx) error {
			meta, k := tx.Bucket([]byte(bucketMeta)), []byte(metaScattered)
			l.of(bucketMeta).remove(sumOf(meta.Get(k)))
			return errors.Join(meta.Delete(k), l.put(tx))
		})
	}
	if err == nil {
		err = dst.bolt.Sync()
	}
	return errors.Join(err, dst.bolt.Close())
}
