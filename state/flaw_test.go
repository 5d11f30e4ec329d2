package state

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// withoutFlaws makes a file as versions wrote it that knew no flaws.
func withoutFlaws(t *testing.T, path string) {
	t.Helper()
	b, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *bbolt.Tx) error {
		if err := errors.Join(tx.DeleteBucket([]byte(bucketFlaws)), tx.DeleteBucket([]byte(bucketCopies))); err != nil {
			return err
		}
		k := []byte(metaTallies)
		v, _, err := newSealer(bucketMeta, sealedVersion).open(k, tx.Bucket([]byte(bucketMeta)).Get(k))
		if err != nil {
			return err
		}
		l, err := decodeTallies(v, uint64(tx.ID()-1))
		if err != nil {
			return err
		}
		l.list = l.list[:len(l.list)-2]
		return l.put(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func flawsOf(t *testing.T, db *DB) (m map[Key][]Flaw) {
	t.Helper()
	view(t, db, func(v *View) { m = v.Flaws() })
	return m
}

// TestFlaws: they are kept, also in a file of a version that knew none, and end with
// a new delivery and with the entry.
func TestFlaws(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open := func(o Options) *DB {
		db, err := Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open(Options{})
	apply(t, db, &Change{Put: []Entry{{Key: "a"}, {Key: "b"}, {Key: "c"}}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	withoutFlaws(t, path)
	db = open(Options{ReadOnly: true})
	if m := flawsOf(t, db); len(m) != 0 {
		t.Errorf("in an older file: %v", m)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(Options{})
	defer db.Close()
	two := []Flaw{{Target: "t", Kind: Accepted, Accepted: Sum{1}}, {Target: "u", Kind: Missing}}
	want := map[Key][]Flaw{"a": two, "b": {{Target: "t", Kind: Altered}}, "c": {{Target: "t", Kind: Unreadable}}}
	apply(t, db, &Change{Flaws: want})
	if diff := cmp.Diff(want, flawsOf(t, db)); diff != "" {
		t.Error(diff)
	}
	c := &Change{Intend: []Intent{intent("a", "t")}, Forget: []Key{"c"}, Flaws: map[Key][]Flaw{"b": nil}}
	apply(t, db, c)
	apply(t, db, &Change{Settle: []Settlement{{Intent: c.Intend[0].ID}}})
	if diff := cmp.Diff(map[Key][]Flaw{"a": two[1:]}, flawsOf(t, db)); diff != "" {
		t.Error(diff)
	}
}

// TestUnrecorded: what is settled is counted until a run is recorded.
func TestUnrecorded(t *testing.T) {
	db, err := Open(filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := func(fetched, quarantined int) {
		t.Helper()
		view(t, db, func(v *View) {
			if u := v.Unrecorded(); u.Fetched != fetched || u.Quarantined != quarantined || u.Bytes != int64(fetched)*1234 {
				t.Errorf("%+v, want %d and %d", u, fetched, quarantined)
			}
		})
	}
	settle := func(status Status, targets ...string) {
		t.Helper()
		c := &Change{Intend: []Intent{intent(string(status)+"k", "t")}}
		apply(t, db, c)
		apply(t, db, &Change{Targets: targets, Settle: []Settlement{{Intent: c.Intend[0].ID, Status: status}}})
	}
	settle(Delivered, "t", "u") // not all targets have it
	want(0, 0)
	settle(Delivered, "t")
	settle(Quarantined, "t")
	want(1, 1)
	apply(t, db, &Change{Run: &Run{}})
	want(0, 0)
}
