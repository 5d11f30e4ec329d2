package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"
)

// View is a consistent snapshot. It and every slice it yields end with the
// function given to [DB.View].
type View struct {
	db      *DB
	img     image
	tallies *tallies // nil in format version 1
	targets *targets
	known   *tree // the entries; set when first used
	sealer  sealer
	err     error // the first damage met
}

// View calls fn with a snapshot and returns fn's error, else that of damage
// found in the file while fn read it. Do not call Apply inside: it may wait
// for this reader to end.
func (db *DB) View(fn func(v *View) error) error {
	err := db.view(fn)
	if errors.Is(err, ErrNotState) {
		return fileError(db.path, false, err)
	}
	return err
}

func (db *DB) view(fn func(v *View) error) error {
	defer faultsPanic()()
	if db.broken.Load() {
		return ErrNotState
	}
	return db.snapshot(func(img image) error {
		v := &View{db: db, img: img, targets: newTargets(), sealer: newSealer(bucketEntries, db.version)}
		if db.version >= sealedVersion {
			v.guard(func() (err error) {
				v.tallies, err = decodeTallies(v.meta(metaTallies), img.tx)
				return err
			})
		}
		v.each(bucketTargets, v.targets.add)
		if v.err != nil {
			return v.err
		}
		if err := v.call(fn); err != nil {
			return err
		}
		return v.err
	})
}

// snapshot calls fn with the pages of a transaction.
func (db *DB) snapshot(fn func(image) error) error {
	for range 10 { // in between two changes may have been made by another goroutine
		done := false
		err := db.bolt.View(func(tx *bbolt.Tx) error {
			img, ok := imageOf(tx)
			if !ok {
				return nil
			}
			done = true
			return fn(img)
		})
		if err != nil || done {
			return err
		}
	}
	return errPage
}

// call calls the caller's function. What it is given is the file's memory, and
// to read there fails if the disk does: that is no defect of the caller.
func (v *View) call(fn func(*View) error) (err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if fault, ok := r.(interface{ Addr() uintptr }); ok && v.img.holds(fault.Addr()) {
			err = errPage
			return
		}
		panic(r)
	}()
	return fn(v)
}

// guard runs code that reads pages but not the caller's.
func (v *View) guard(fn func() error) {
	err := func() (err error) {
		defer v.db.contain(&err)
		return fn()
	}()
	if v.err == nil {
		v.err = err
	}
}

// value returns nil for a key that does not exist or cannot be read.
func (v *View) value(bucket string, k []byte) (val []byte) {
	v.guard(func() error {
		t, err := v.img.tree(bucket)
		if err != nil {
			return err
		}
		val, err = t.get(k, newSealer(bucket, v.db.version))
		return err
	})
	return val
}

// get looks k up.
func (t tree) get(k []byte, s sealer) ([]byte, error) {
	l, err := t.leafOf(k)
	if err == nil {
		err = l.sound()
	}
	if err != nil {
		return nil, err
	}
	i, equal := l.search(k)
	if !equal {
		return nil, l.inOrder()
	}
	_, sealed := l.pair(i)
	val, _, err := s.open(k, sealed)
	return val, err
}

func (v *View) meta(k string) []byte { return v.value(bucketMeta, []byte(k)) }

// each calls fn for the pairs of a bucket in key order.
func (v *View) each(bucket string, fn func(k, val []byte) error) {
	v.guard(func() error {
		r := v.reader(bucket)
		for l, ok := r.next(); ok; l, ok = r.next() {
			for i := range l.n {
				k, val := r.pair(l, i)
				if err := fn(k, val); err != nil {
					return err
				}
			}
		}
		return r.err
	})
}

// reader reads all records of a bucket.
type reader struct {
	walk
	sealer
	name      string
	met, want *tally // want is nil in format version 1
	err       error
}

func (v *View) reader(bucket string) *reader {
	t, err := v.img.tree(bucket)
	r := &reader{walk: walk{t: t}, sealer: newSealer(bucket, v.db.version), name: bucket, met: new(tally), err: err}
	if v.tallies != nil {
		r.want = v.tallies.of(bucket)
	}
	return r
}

// next returns the next leaf, checked. At the end it finds out whether one or
// more records are missing.
func (r *reader) next() (leaf, bool) {
	if r.err != nil {
		return leaf{}, false
	}
	l, ok, err := r.walk.next()
	if err == nil && ok {
		err = r.check(l, r.met)
	}
	if err == nil && !ok && r.want != nil && *r.met != *r.want {
		err = fmt.Errorf("%w (records are missing)", ErrNotState)
	}
	r.err = err
	return l, ok && err == nil
}

// pair returns a record of a checked leaf without its sum.
func (r *reader) pair(l leaf, i int) (k, val []byte) {
	k, val = l.pair(i)
	if r.bareKey(k) {
		return k, val
	}
	n := len(val) - sealSize
	return k, val[:n:n]
}

// Records yields all entries, incomplete ones included, by ascending key
// bytes. The slices are the file's memory: not to be changed, and gone when
// the View ends. It does not allocate per entry. Damage ends it early, and
// View then returns the error.
func (v *View) Records() iter.Seq2[[]byte, Record] {
	return func(yield func([]byte, Record) bool) {
		var r *reader
		v.guard(func() error { r = v.reader(bucketEntries); return r.err })
		for v.err == nil {
			var l leaf
			var ok bool
			v.guard(func() error { l, ok = r.next(); return r.err })
			if !ok {
				return
			}
			for i := range l.n {
				if !yield(r.pair(l, i)) {
					return
				}
			}
		}
	}
}

// Get returns the entry of k, and whether there is one. A damaged one counts
// as unknown, and View returns the error.
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
		if v.known == nil {
			t, err := v.img.tree(bucketEntries)
			if err != nil {
				return err
			}
			v.known = &t
		}
		var err error
		r, err = v.known.get([]byte(k), v.sealer)
		return err
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
	if v.tallies != nil {
		return int(v.tallies.of(bucketEntries).n)
	}
	return int(readCount(v.meta(metaCount)))
}

// Intents returns the intents that are not settled, by ascending ID. One that cannot
// be read is an error: the fate of its message would be unknown.
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

// Unrecorded returns what runs have settled that are not among Runs.
func (v *View) Unrecorded() (u Unrecorded) {
	if text := v.meta(metaUnrecorded); text == nil || json.Unmarshal(text, &u) != nil {
		return Unrecorded{}
	}
	if runs := v.Runs(); len(runs) > 0 {
		u.After = runs[len(runs)-1].Started
	}
	return u
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
