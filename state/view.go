package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"
)

// View is a consistent snapshot. It and every slice it yields end with the
// function given to [DB.View].
type View struct {
	db      *DB
	tx      *bbolt.Tx
	targets *targets
	known   lookup // in entries; set when first used
	err     error  // the first damage met
	touched byte   // keeps touch from being optimised away
}

// View calls fn with a snapshot and returns fn's error, else that of damage
// found in the file while fn read it. Do not call Apply inside: it may wait
// for this reader to end.
func (db *DB) View(fn func(v *View) error) error {
	defer faultsPanic()()
	if db.broken.Load() {
		return fmt.Errorf("%s: %w", db.path, ErrNotState)
	}
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		v := &View{db: db, tx: tx}
		v.guard(func() (err error) {
			v.targets, err = loadTargets(tx)
			return err
		})
		if v.err != nil {
			return v.err
		}
		if err := fn(v); err != nil {
			return err
		}
		return v.err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	return nil
}

// guard runs code that calls bbolt but not the caller's.
func (v *View) guard(fn func() error) {
	err := func() (err error) {
		defer v.db.contain(&err)
		return fn()
	}()
	if v.err == nil {
		v.err = err
	}
}

func (v *View) bucket(name string) *bbolt.Bucket { return v.tx.Bucket([]byte(name)) }

// value returns nil for what is not there or cannot be read.
func (v *View) value(bucket string, k []byte) (val []byte) {
	v.guard(func() error {
		got := v.bucket(bucket).Get(k)
		v.touch(got)
		val = got
		return nil
	})
	return val
}

// touch reads both ends of a slice of the file's memory: a damaged page can
// name a place outside it, and to find that out is not the caller's business.
func (v *View) touch(b []byte) {
	if len(b) > 0 {
		v.touched ^= b[0] ^ b[len(b)-1]
	}
}

func (v *View) meta(k string) []byte { return v.value(bucketMeta, []byte(k)) }

// each calls fn for the pairs of a bucket in key order.
func (v *View) each(bucket string, fn func(k, val []byte) error) {
	v.guard(func() error { return v.bucket(bucket).ForEach(fn) })
}

// Records yields all entries, incomplete ones included, by ascending key
// bytes. The slices are the file's memory: not to be changed, and gone when
// the View ends. It does not allocate per entry. Damage ends it early, and
// View then returns the error.
func (v *View) Records() iter.Seq2[[]byte, Record] {
	return func(yield func([]byte, Record) bool) {
		var c *bbolt.Cursor
		v.guard(func() error {
			c = v.bucket(bucketEntries).Cursor()
			return nil
		})
		if c == nil {
			return
		}
		for k, r := v.step(c.First); k != nil; k, r = v.step(c.Next) {
			if !yield(k, r) {
				return
			}
		}
	}
}

func (v *View) step(move func() (k, val []byte)) (k []byte, r Record) {
	err := func() (err error) {
		defer v.db.contain(&err)
		k, r = move()
		v.touch(k)
		v.touch(r)
		return nil
	}()
	if err != nil {
		if v.err == nil {
			v.err = err
		}
		return nil, nil
	}
	return k, r
}

// Get returns the entry of k, and whether there is one. A damaged one counts
// as unknown: at worst its message is delivered again.
func (v *View) Get(k Key) (Entry, bool) {
	r := v.Record(k)
	if r == nil {
		return Entry{}, false
	}
	e, err := decodeEntry(k, r, v.targets.name)
	return e, err == nil
}

// Record returns the encoded entry of k, nil if there is none. Like a slice of
// Records it is the file's memory.
func (v *View) Record(k Key) (r Record) {
	v.guard(func() error {
		if v.known.Cursor == nil {
			v.known = lookup{v.bucket(bucketEntries).Cursor()}
		}
		got := v.known.get([]byte(k))
		v.touch(got)
		r = got
		return nil
	})
	return r
}

// Entry decodes what Records yielded. The result is a copy. Of a damaged
// record only the key remains: not Done, Imported, of unknown size.
func (v *View) Entry(k []byte, r Record) Entry {
	e, _ := decodeEntry(Key(k), r, v.targets.name)
	return e
}

// Len returns how many entries there are, incomplete ones included. It does
// not count them.
func (v *View) Len() int {
	return int(readCount(v.meta(metaCount)))
}

// Intents returns what is not settled, by ascending ID. It is an error if one
// cannot be read: what became of its message would be unknown.
func (v *View) Intents() ([]Intent, error) {
	var list []Intent
	v.each(bucketIntents, func(k, val []byte) error {
		i, err := decodeIntent(k, val, v.targets.name)
		if err != nil {
			return fmt.Errorf("intent %x: %w", k, err)
		}
		list = append(list, i)
		return nil
	})
	return list, v.err
}

// Gone returns the keys that are not on the server, as the last complete listing
// or a confirmed deletion showed, with the time of the first that did.
func (v *View) Gone() map[Key]time.Time {
	m := map[Key]time.Time{}
	v.each(bucketGone, func(k, val []byte) error {
		d := decoder{b: val}
		m[Key(k)] = d.time(epoch)
		return nil
	})
	return m
}

// LastListed returns when k was last known to be on the server: the last
// complete listing, unless k is gone since an earlier one. Zero: not known.
func (v *View) LastListed(k Key) time.Time {
	if b := v.value(bucketGone, []byte(k)); b != nil {
		d := decoder{b: b}
		return d.time(epoch)
	}
	if v.value(bucketEntries, []byte(k)) == nil {
		return time.Time{}
	}
	return v.Facts().LastPoll
}

// Facts returns what is known of the server.
func (v *View) Facts() Facts { return readFacts(v.meta(metaFacts)) }

// Runs returns the last runs, the oldest first.
func (v *View) Runs() []Run {
	var runs []Run
	v.each(bucketRuns, func(_, val []byte) error {
		var r Run
		if json.Unmarshal(val, &r) == nil {
			runs = append(runs, r)
		}
		return nil
	})
	return runs
}

// LastSuccess returns the last run without any error; false: there is none.
func (v *View) LastSuccess() (Run, bool) {
	var r Run
	val := v.meta(metaLastSuccess)
	return r, val != nil && json.Unmarshal(val, &r) == nil
}

// Targets returns every target that an intent or outcome ever named.
func (v *View) Targets() []string { return append([]string(nil), v.targets.names...) }

// Budget returns the bytes retrieved on a day, 0 for one that is not kept.
func (v *View) Budget(day string) int64 {
	return readInt(v.value(bucketBudget, []byte(day)))
}
