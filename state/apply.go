package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	keepRuns = 50
	keepDays = 3
)

// How full to make a page of entries when it splits. UIDs mostly arrive in
// ascending order, where a page is never touched again: it may be nearly full;
// what is left takes the time of a later verify or deletion. In any other
// order a full page would split at the next insertion.
const (
	fillAscending = 0.94
	fillRandom    = 0.5
)

// Apply makes the change in one transaction: when it returns nil, all of it is
// durable. An empty change does not touch the disk. After an error from the
// disk the outcome is unknown (law 6 of docs/design.md); the next Open tells.
// Do not call it inside View: a growing file waits for readers.
func (db *DB) Apply(c *Change) (err error) {
	if c.empty() {
		return nil
	}
	defer faultsPanic()()
	var ids []uint64
	err = db.update(func(tx *bbolt.Tx) error {
		a, err := newApplier(tx, c)
		if err != nil {
			return err
		}
		if err := a.run(); err != nil {
			return err
		}
		ids = a.ids
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	for i, id := range ids {
		c.Intend[i].ID = id
	}
	return nil
}

func (db *DB) update(fn func(*bbolt.Tx) error) (err error) {
	defer db.contain(&err)
	if db.broken.Load() {
		return ErrNotState
	}
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		if db.closing.Load() {
			return errReplaced
		}
		return fn(tx)
	})
}

// applier is a Change on its way into a transaction.
type applier struct {
	*Change
	tx        *bbolt.Tx
	targets   *targets
	entries   *bbolt.Bucket
	intents   *bbolt.Bucket
	failures  *bbolt.Bucket
	gone      *bbolt.Bucket
	meta      *bbolt.Bucket
	known     lookup // in entries
	unlisted  lookup // in gone
	failing   bool   // there are failures on record
	added     int64  // entries, net
	last      []byte // the greatest key before
	behind    int    // new entries that sort before it
	ahead     int
	forgotten int
	ids       []uint64
}

func newApplier(tx *bbolt.Tx, c *Change) (*applier, error) {
	t, err := loadTargets(tx)
	if err != nil {
		return nil, err
	}
	a := &applier{Change: c, tx: tx, targets: t,
		entries: tx.Bucket([]byte(bucketEntries)), intents: tx.Bucket([]byte(bucketIntents)),
		failures: tx.Bucket([]byte(bucketFailures)), gone: tx.Bucket([]byte(bucketGone)),
		meta: tx.Bucket([]byte(bucketMeta))}
	a.known, a.unlisted = lookup{a.entries.Cursor()}, lookup{a.gone.Cursor()}
	last, _ := a.known.Last()
	a.last = bytes.Clone(last)
	failed, _ := a.failures.Cursor().First()
	a.failing = failed != nil
	return a, nil
}

// lookup is a bucket's Get that does not make a cursor for each key. It may
// not take turns with another use of the cursor.
type lookup struct{ *bbolt.Cursor }

func (l lookup) get(key []byte) []byte {
	k, v := l.Seek(key)
	if !bytes.Equal(k, key) {
		return nil
	}
	return v
}

func (a *applier) run() error {
	for _, step := range []func() error{a.settle, a.put, a.forget, a.fail, a.relist, a.markDeleted, a.markAsked,
		a.intend, a.putFacts, a.putCount, a.putScattered, a.putRun, a.putBudget} {
		if err := step(); err != nil {
			return err
		}
	}
	// Pages split at the commit.
	a.intents.FillPercent = fillAscending
	a.entries.FillPercent = fillAscending
	if a.behind > a.ahead {
		a.entries.FillPercent = fillRandom
	}
	return nil
}

func (a *applier) settle() error {
	intents := lookup{a.intents.Cursor()}
	for _, s := range a.Settle {
		id := binary.BigEndian.AppendUint64(nil, s.Intent)
		v := intents.get(id)
		if v == nil {
			return fmt.Errorf("settle: intent %d is not recorded", s.Intent)
		}
		i, err := decodeIntent(id, v, a.targets.name)
		if err != nil {
			return fmt.Errorf("intent %d: %w", s.Intent, err)
		}
		if err := intents.Delete(); err != nil {
			return err
		}
		if s.Drop {
			continue
		}
		if err := a.settleEntry(s, i); err != nil {
			return err
		}
	}
	return nil
}

// settleEntry adds the outcome of an intent to its entry, and makes the entry
// if it is the first.
func (a *applier) settleEntry(s Settlement, i Intent) error {
	e, known, err := a.entry(i.Key)
	if err != nil {
		return err
	}
	if !known {
		e = Entry{Key: i.Key, FirstSeen: a.firstFailed(i.Key, i.At)}
	}
	e.Source, e.Size, e.SHA256, e.Content, e.ByHeader = Fetched, i.Size, i.SHA256, i.Content, false
	e.Deleted, e.Asked = time.Time{}, false // the server still had it
	if !i.Fingerprint.IsZero() {
		e.Fingerprint = i.Fingerprint
	}
	o := Outcome{Target: i.Target, Status: s.Status, Receipt: s.Receipt, At: i.At}
	if o.Receipt == "" {
		o.Receipt = i.Receipt
	}
	if old := e.outcome(i.Target); old != nil {
		*old = o
	} else {
		e.Outcomes = append(e.Outcomes, o)
	}
	if !e.Done && e.covers(a.Targets) {
		e.Done = true
	}
	if err := a.mend(i.Key, i.Target, e.Done); err != nil {
		return err
	}
	return a.putEntry(&e, known)
}

func (a *applier) entry(k Key) (Entry, bool, error) {
	v := a.known.get([]byte(k))
	if v == nil {
		return Entry{}, false, nil
	}
	e, err := decodeEntry(k, v, a.targets.name)
	if err != nil {
		return Entry{}, false, fmt.Errorf("entry %q: %w", k, err)
	}
	return e, true, nil
}

func (a *applier) putEntry(e *Entry, known bool) error {
	const usual = 160 // octets, with one target
	v, err := appendEntry(make([]byte, 0, usual), e, func(t string) (uint64, error) { return a.targets.number(a.tx, t) })
	if err != nil {
		return fmt.Errorf("entry %q: %w", e.Key, err)
	}
	if !known {
		a.added++
		if string(e.Key) < string(a.last) {
			a.behind++
		} else {
			a.ahead++
		}
	}
	if err := a.entries.Put([]byte(e.Key), v); err != nil {
		return fmt.Errorf("entry %q: %w", e.Key, err)
	}
	return nil
}

// put stores in the order of the keys: a page takes many insertions at its end
// in no time, and in its middle, before it is split, in quadratic time.
func (a *applier) put() error {
	order := make([]int, len(a.Put))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(a.Put[x].Key, a.Put[y].Key) })
	for _, i := range order {
		known := a.known.get([]byte(a.Put[i].Key)) != nil
		if err := a.putEntry(&a.Put[i], known); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) forget() error {
	for _, k := range a.Forget {
		if a.known.get([]byte(k)) != nil {
			a.added--
			a.forgotten++
		}
		for _, b := range []*bbolt.Bucket{a.entries, a.failures, a.gone} {
			if err := b.Delete([]byte(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applier) relist() error {
	for _, k := range a.Gone {
		if a.known.get([]byte(k)) == nil {
			continue
		}
		if err := a.putGone(k, a.GoneAt); err != nil {
			return err
		}
	}
	return deleteKeys(a.gone, a.Back)
}

func (a *applier) putGone(k Key, at time.Time) error {
	if a.unlisted.get([]byte(k)) != nil {
		return nil // since then
	}
	return a.gone.Put([]byte(k), appendTime(nil, at, epoch))
}

func (a *applier) markDeleted() error {
	for _, k := range a.Deleted {
		known, err := a.rewrite(k, func(r Record) (Record, error) { return r.withDeleted(a.DeletedAt) })
		if err == nil && known {
			err = a.putGone(k, a.DeletedAt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) markAsked() error {
	for _, k := range a.Asked {
		if _, err := a.rewrite(k, Record.withAsked); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces the record of a key, if there is one.
func (a *applier) rewrite(k Key, with func(Record) (Record, error)) (known bool, err error) {
	v := a.known.get([]byte(k))
	if v == nil {
		return false, nil
	}
	v, err = with(v)
	if err == nil {
		err = a.entries.Put([]byte(k), v)
	}
	if err != nil {
		return true, fmt.Errorf("entry %q: %w", k, err)
	}
	return true, nil
}

func (a *applier) intend() error {
	for i := range a.Intend {
		id, err := a.intents.NextSequence()
		if err != nil {
			return err
		}
		target, err := a.targets.number(a.tx, a.Intend[i].Target)
		if err != nil {
			return err
		}
		if err := a.intents.Put(binary.BigEndian.AppendUint64(nil, id), encodeIntent(&a.Intend[i], target)); err != nil {
			return err
		}
		a.ids = append(a.ids, id)
	}
	return nil
}
