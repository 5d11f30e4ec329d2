package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What would make bbolt go in a circle, ask for all memory, write over what is
// in use, or take an older state, is refused when the file is opened.
func TestStructure(t *testing.T) {
	good := sample(t, 900, false)
	m, err := readMetas(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := image{b: good, size: m.size, root: m.root}.tree(bucketEntries)
	if err != nil {
		t.Fatal(err)
	}
	branch, err := entries.first()
	if err != nil || branch.isLeaf {
		t.Fatalf("the sample is too small: %v", err)
	}
	at := func(id uint64) int { return int(id) * m.size }
	root, free := at(entries.root), at(m.free)
	put := func(b []byte, at int, v uint64) { binary.NativeEndian.PutUint64(b[at:], v) }
	child := func(i int) int { return root + pageHeader + i*elemSize + 8 }
	for name, harm := range map[string]func(b []byte){
		"a branch leads to itself":    func(b []byte) { put(b, child(1), entries.root) },
		"a branch leads to the list":  func(b []byte) { put(b, child(0), m.root) },
		"a leaf twice":                func(b []byte) { put(b, child(1), branch.child(2)) },
		"a child behind the end":      func(b []byte) { put(b, child(1), m.pages) },
		"a child of all ones":         func(b []byte) { put(b, child(1), 1<<64-1) },
		"a branch of no children":     func(b []byte) { b[root+10], b[root+11] = 0, 0 },
		"a branch of other keys":      func(b []byte) { b[root+pageHeader+4]++ },
		"a branch that goes on":       func(b []byte) { b[root+12] = 0xff },
		"a free page that is in use":  func(b []byte) { put(b, free+pageHeader, entries.root) },
		"a free page behind the end":  func(b []byte) { put(b, free+pageHeader, m.pages+7) },
		"2^40 free pages":             func(b []byte) { b[free+10], b[free+11] = 0xff, 0xff; put(b, free+pageHeader, 1<<40) },
		"2^64-1 free pages":           func(b []byte) { b[free+10], b[free+11] = 0xff, 0xff; put(b, free+pageHeader, 1<<64-1) },
		"the list of free is a leaf":  func(b []byte) { b[free+8] = pageLeaf },
		"the first meta page":         func(b []byte) { b[pageHeader+40]++ },
		"the second meta page":        func(b []byte) { clear(b[m.size : 2*m.size]) },
		"the meta pages exchanged":    func(b []byte) { x := bytes.Clone(b[:m.size]); copy(b, b[m.size:2*m.size]); copy(b[m.size:], x) },
		"the end is missing by a bit": nil,
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(good)
			if harm != nil {
				harm(bad)
			} else {
				bad = bad[:at(m.pages)-1]
			}
			path := filepath.Join(t.TempDir(), "x.db")
			for _, ro := range []bool{true, false} {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				db, err := Open(path, Options{ReadOnly: ro})
				if err == nil {
					_ = db.Close()
				}
				if !errors.Is(err, ErrNotState) {
					t.Errorf("read only %v: %v", ro, err)
				}
			}
		})
	}
}

// A page that is whole and an old one, as a lost write leaves it, is found.
func TestLostWrite(t *testing.T) {
	db := openTest(t)
	fill(t, db, order(2000, false), 500)
	path := db.Path()
	snap := func() []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rewritten := 0
	for range 6 {
		before := snap()
		apply(t, db, &Change{Deleted: []Key{typicalEntry(rewritten * 300).Key}, DeletedAt: at(1)})
		after := snap()
		for p := 2 * 4096; p < len(before); p += 4096 {
			old, now := before[p:p+4096], after[p:p+4096]
			if bytes.Equal(old, now) || u16(now[8:]) != pageLeaf && u16(now[8:]) != pageBranch {
				continue
			}
			bad := bytes.Clone(after)
			copy(bad[p:], old)
			lost := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(lost, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := read(lost, Options{ReadOnly: true}); !errors.Is(err, ErrNotState) {
				t.Errorf("page %d: %v", p/4096, err)
			}
		}
		rewritten++
	}
}

// without returns the bytes of a leaf without one record, in the layout of bbolt.
func without(p page, drop int) []byte {
	b := bytes.Clone(p.b[:pageHeader])
	binary.NativeEndian.PutUint16(b[10:], uint16(p.n-1))
	var data []byte
	for i, left := 0, p.n-1; i < p.n; i++ {
		if i == drop {
			continue
		}
		k, v := p.pair(i)
		for _, n := range []int{0, left*elemSize + len(data), len(k), len(v)} {
			b = binary.NativeEndian.AppendUint32(b, uint32(n))
		}
		data, left = append(append(data, k...), v...), left-1
	}
	return append(append(b, data...), make([]byte, len(p.b))...)[:len(p.b)]
}

// A record that is missing from a page in good order is found by the tallies.
func TestMissingRecord(t *testing.T) {
	good := sample(t, 900, false)
	m, err := readMetas(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	for _, bucket := range []string{bucketEntries, bucketGone} {
		tr, err := image{b: good, size: m.size, root: m.root}.tree(bucket)
		if err != nil {
			t.Fatal(err)
		}
		l, err := tr.leafOf([]byte(typicalEntry(3).Key))
		if err != nil || l.id == 0 {
			t.Fatal(err)
		}
		bad := bytes.Clone(good)
		copy(bad[int(l.id)*m.size:], without(l.page, 1))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(path, Options{ReadOnly: true}); !errors.Is(err, ErrNotState) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: %v", bucket, err)
		}
	}
}

// A leaf that claims the page behind it, which may be another's, is refused before
// bbolt frees it.
func TestLeafTooLong(t *testing.T) {
	bad := sample(t, 900, false)
	m, err := readMetas(bytes.NewReader(bad))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := image{b: bad, size: m.size, root: m.root}.tree(bucketEntries)
	if err != nil {
		t.Fatal(err)
	}
	first, err := entries.leafOf([]byte{0})
	if err != nil {
		t.Fatal(err)
	}
	key := Key(first.key(0))
	bad[int(first.id)*m.size+12]++
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(path, Options{ReadOnly: true}); !errors.Is(err, ErrNotState) {
		t.Errorf("read: %v", err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		return // the structure shows it
	}
	defer db.Close()
	if err := db.Apply(&Change{Deleted: []Key{key}, DeletedAt: at(3)}); !errors.Is(err, ErrNotState) {
		t.Errorf("apply: %v", err)
	}
}
