package state

import (
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

// How full a page of entries is after it splits. UIDs mostly arrive in ascending
// order, so that a page is not changed again: it may be nearly full. The rest has
// room for the time of a later verification or deletion. In any other order a full
// page would split at the next insertion.
const (
	fillAscending = 0.94
	fillRandom    = 0.5
)

// Apply makes the change in one transaction: when it returns nil, all of it is
// durable. An empty change does not touch the disk. After an error from the
// disk the outcome is unknown (law 6 of docs/design.md); the next Open shows it.
// Do not call it inside View: a growing file waits for readers.
func (db *DB) Apply(c *Change) (err error) {
	if c.empty() {
		return nil
	}
	defer faultsPanic()()
	var ids []uint64
	err = db.update(func(tx *bbolt.Tx) error {
		a, err := db.newApplier(tx, c)
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
		return fileError(db.path, true, err)
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
	*tables
	targets    *targets
	failing    bool   // there are failures on record
	last       []byte // the greatest key before
	behind     int    // new entries that sort before it
	ahead      int
	forgotten  int
	lastIntent uint64
	settled    Unrecorded
	ids        []uint64
}

func (db *DB) newApplier(tx *bbolt.Tx, c *Change) (a *applier, err error) {
	a = &applier{Change: c}
	if a.tables, err = db.openTables(tx); err != nil {
		return nil, err
	}
	if a.targets, err = a.loadTargets(); err != nil {
		return nil, err
	}
	if a.last, err = a.entries.last(); err != nil {
		return nil, err
	}
	if len(c.Intend) > 0 { // now: bbolt's cursor turns round for ever in a tree that was emptied
		if a.lastIntent, err = a.intents.lastNumber(); err != nil {
			return nil, err
		}
	}
	none, err := a.failures.empty()
	a.failing = !none
	return a, err
}

func (a *applier) run() error {
	for _, step := range []func() error{a.settle, a.put, a.forget, a.fail, a.putFlaws, a.putCopies, a.relist, a.markDeleted, a.markAsked,
		a.intend, a.putFacts, a.putScattered, a.putUnrecorded, a.putRun, a.putBudget, a.putTallies} {
		if err := step(); err != nil {
			return err
		}
	}
	// Pages split at the commit.
	a.intents.b.FillPercent = fillAscending
	a.entries.b.FillPercent = fillAscending
	if a.behind > a.ahead {
		a.entries.b.FillPercent = fillRandom
	}
	return nil
}

func (a *applier) settle() error {
	for _, s := range a.Settle {
		id := binary.BigEndian.AppendUint64(nil, s.Intent)
		v, err := a.intents.get(id)
		switch {
		case err != nil:
			return fmt.Errorf("intent %d: %w", s.Intent, err)
		case v == nil:
			return fmt.Errorf("settle: intent %d is not recorded", s.Intent)
		}
		i, err := decodeIntent(id, v, a.targets.name)
		if err != nil {
			return fmt.Errorf("intent %d: %w", s.Intent, err)
		}
		if err := a.intents.del(id); err != nil {
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
	o := Outcome{Target: i.Target, Status: s.Status, Receipt: cmp.Or(s.Receipt, i.Receipt), At: i.At}
	if old := e.outcome(i.Target); old != nil {
		*old = o
	} else {
		e.Outcomes = append(e.Outcomes, o)
	}
	if !e.Done && e.covers(a.Targets) {
		e.Done = true
		a.settled.count(&e)
	}
	if err := a.clearFailures(i.Key, i.Target, e.Done); err != nil {
		return err
	}
	if err := clearFlaws(a.flaws, i.Key, i.Target); err != nil {
		return err
	}
	return a.putEntry(&e, known)
}

func (a *applier) entry(k Key) (e Entry, known bool, err error) {
	v, err := a.entries.get([]byte(k))
	if err == nil && v != nil {
		e, err = decodeEntry(k, v, a.targets.name)
	}
	return e, v != nil, entryError(k, err)
}

func (a *applier) known(k Key) (bool, error) {
	known, err := a.entries.has([]byte(k))
	return known, entryError(k, err)
}

// entryError says which entry an error is about, if there is one.
func entryError(k Key, err error) error {
	if err != nil {
		err = fmt.Errorf("entry %q: %w", k, err)
	}
	return err
}

func (a *applier) putEntry(e *Entry, known bool) error {
	const usual = 160 // octets, with one target
	v, err := appendEntry(make([]byte, 0, usual), e, func(t string) (uint64, error) { return a.targets.number(a.names, t) })
	if err != nil {
		return entryError(e.Key, err)
	}
	if !known {
		if string(e.Key) < string(a.last) {
			a.behind++
		} else {
			a.ahead++
		}
	}
	return entryError(e.Key, a.entries.put([]byte(e.Key), v))
}

// put stores in the order of the keys: many insertions at the end of a page are
// fast, and those in its middle take quadratic time until it is split.
func (a *applier) put() error {
	order := make([]int, len(a.Put))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(a.Put[x].Key, a.Put[y].Key) })
	for _, i := range order {
		known, err := a.known(a.Put[i].Key)
		if err != nil {
			return err
		}
		if err := a.putEntry(&a.Put[i], known); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) forget() error {
	for _, k := range a.Forget {
		known, err := a.known(k)
		if err != nil {
			return err
		}
		if known {
			a.forgotten++
		}
		if err := forgetCopy(a.copies, k); err != nil {
			return err
		}
		for _, t := range []*table{a.entries, a.failures, a.gone, a.flaws} {
			if err := t.del([]byte(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applier) relist() error {
	for _, k := range a.Gone {
		known, err := a.known(k)
		if err == nil && known {
			err = a.putGone(k, a.GoneAt)
		}
		if err != nil {
			return err
		}
	}
	return deleteKeys(a.gone, a.Back)
}

func (a *applier) putGone(k Key, at time.Time) error {
	if since, err := a.gone.has([]byte(k)); since || err != nil {
		return err // since then
	}
	return a.gone.put([]byte(k), appendTime(nil, at, epoch))
}

func (a *applier) markDeleted() error {
	for _, k := range a.Unasked {
		if _, err := a.rewrite(k, Record.withoutAsked); err != nil {
			return err
		}
	}
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
	v, err := a.entries.get([]byte(k))
	if err == nil && v == nil {
		return false, nil
	}
	if err == nil {
		v, err = with(v)
	}
	if err == nil {
		err = a.entries.put([]byte(k), v)
	}
	return true, entryError(k, err)
}

func (a *applier) intend() error {
	if len(a.Intend) == 0 {
		return nil
	}
	id := a.lastIntent
	for i := range a.Intend {
		id++
		target, err := a.targets.number(a.names, a.Intend[i].Target)
		if err != nil {
			return err
		}
		if err := a.intents.put(binary.BigEndian.AppendUint64(nil, id), encodeIntent(&a.Intend[i], target)); err != nil {
			return err
		}
		a.ids = append(a.ids, id)
	}
	return a.intents.b.SetSequence(id)
}
