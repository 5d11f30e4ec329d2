package state

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCopies: who has a message is kept by its sum, and forgotten with the copy that
// brought it, also one that only failed. A file of before has none.
func TestCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open := func() *DB {
		db, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	apply(t, db, &Change{Put: []Entry{{Key: "a\xff"}, {Key: "b"}}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	withoutFlaws(t, path)
	db = open()
	defer db.Close()
	one, two := Fingerprint{1}, Fingerprint{2}
	copyOf := func(k Key, sum Fingerprint, to ...string) Copy {
		return Copy{Key: k, Raw: []byte(k), Target: "t", To: to, Sum: sum}
	}
	want := func(sum Fingerprint, list ...Copy) {
		t.Helper()
		var got []Copy
		view(t, db, func(v *View) { got = v.Copies(sum) })
		if diff := cmp.Diff(list, got); diff != "" {
			t.Errorf("%x: (-want +got)\n%s", sum[0], diff)
		}
	}
	want(one)
	apply(t, db, &Change{Copies: []Copy{copyOf("a\xff", one, "x@y"), copyOf("b", one, "z@y"), copyOf("c", two, "x@y")},
		Fail: []Failure{{Key: "c", Target: "t", Served: []string{"x@y"}}}})
	want(one, copyOf("a\xff", one, "x@y"), copyOf("b", one, "z@y"))
	apply(t, db, &Change{Copies: []Copy{copyOf("a\xff", one, "x@y", "w@y")}, Unfail: []Key{"b"}})
	want(one, copyOf("b", one, "z@y"), copyOf("a\xff", one, "x@y", "w@y"))
	want(two, copyOf("c", two, "x@y"))
	apply(t, db, &Change{Forget: []Key{"a\xff"}, Unfail: []Key{"c"}})
	want(one, copyOf("b", one, "z@y"))
	want(two)
	apply(t, db, &Change{Forget: []Key{"b"}})
	want(one)
	if n := db.countOf(t, bucketCopies); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func (db *DB) countOf(t *testing.T, bucket string) (n int) {
	t.Helper()
	view(t, db, func(v *View) {
		v.each(bucket, func(_, _ []byte) error { n++; return nil })
	})
	return n
}
