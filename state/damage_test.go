package state

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// damages is how many damaged files of each kind a test makes: few in a usual
// run, as many as STATE_DAMAGES says in a long one.
func damages(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("STATE_DAMAGES")); err == nil {
		return n
	}
	if testing.Short() {
		return 4
	}
	return 3
}

// sample is the bytes of a state file with n entries, by ascending or scattered
// keys, and some of all else.
func sample(t *testing.T, n int, scattered bool) []byte {
	t.Helper()
	db := openTest(t)
	perm := order(n, scattered)
	for len(perm) > 0 {
		batch := perm[:min(len(perm), 150)]
		perm = perm[len(batch):]
		c := &Change{Targets: []string{"t"}, Run: &Run{Listed: len(perm)}, Facts: &Facts{LastPoll: at(len(perm))}}
		for _, i := range batch {
			e := typicalEntry(i)
			c.Put = append(c.Put, e)
			if i%3 == 0 {
				c.Gone, c.GoneAt = append(c.Gone, e.Key), at(i)
				c.Copies = append(c.Copies, Copy{Key: e.Key, Target: "t", To: []string{"a@b"}, Sum: Fingerprint{1, byte(i)}})
				c.Flaws = map[Key][]Flaw{e.Key: {{Target: "t", Kind: Altered, Accepted: Sum{byte(i)}}}}
			}
			if i%7 == 0 {
				c.Fail = append(c.Fail, Failure{Key: e.Key + "f", Count: i, Err: strings.Repeat("x", i%90)})
			}
		}
		c.Intend = []Intent{intent("i"+strconv.Itoa(len(perm)), "t")}
		c.Budget = map[string]int64{"2026-03-02": 5}
		apply(t, db, c)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// used is where the part of a file ends that is in use.
func used(b []byte) int {
	m, err := readMetas(bytes.NewReader(b))
	if err != nil {
		return len(b)
	}
	return int(m.pages) * m.size
}

// harms are ways to harm a file of pages of 4096 bytes, where it is in use.
func harms() map[string]func(rnd *rand.Rand, b []byte) []byte {
	place := func(rnd *rand.Rand, b []byte) int { return rnd.IntN(used(b)) }
	start := func(rnd *rand.Rand, b []byte) int { return rnd.IntN(used(b)/4096) * 4096 }
	return map[string]func(rnd *rand.Rand, b []byte) []byte{
		"a bit":  func(rnd *rand.Rand, b []byte) []byte { b[place(rnd, b)] ^= 1 << rnd.IntN(8); return b },
		"a byte": func(rnd *rand.Rand, b []byte) []byte { b[place(rnd, b)] = byte(rnd.Uint32()); return b },
		"a byte of a header": func(rnd *rand.Rand, b []byte) []byte {
			b[start(rnd, b)+rnd.IntN(100)] = byte(rnd.Uint32())
			return b
		},
		"a small number in a header": func(rnd *rand.Rand, b []byte) []byte {
			at := start(rnd, b) + 8*rnd.IntN(16)
			clear(b[at : at+8])
			b[at+4*rnd.IntN(2)] = byte(rnd.IntN(len(b)/4096 + 2))
			return b
		},
		"a run": func(rnd *rand.Rand, b []byte) []byte {
			at := place(rnd, b)
			for i := range b[at:min(at+1+rnd.IntN(600), len(b))] {
				b[at+i] = byte(rnd.Uint32())
			}
			return b
		},
		"a page of noise": func(rnd *rand.Rand, b []byte) []byte {
			at := start(rnd, b)
			for i := range b[at : at+4096-16] { // the header names the page's kind
				b[at+16+i] = byte(rnd.Uint32())
			}
			return b
		},
		"a page of zeros": func(rnd *rand.Rand, b []byte) []byte { clear(b[start(rnd, b):][:4096]); return b },
		"two pages swapped": func(rnd *rand.Rand, b []byte) []byte {
			x, y := start(rnd, b), start(rnd, b)
			page := bytes.Clone(b[x : x+4096])
			copy(b[x:], b[y:y+4096])
			copy(b[y:], page)
			return b
		},
		"a page twice, under its own number": func(rnd *rand.Rand, b []byte) []byte {
			x, y := start(rnd, b), start(rnd, b)
			copy(b[x+8:x+4096], b[y+8:])
			return b
		},
		"cut":         func(rnd *rand.Rand, b []byte) []byte { return b[:place(rnd, b)] },
		"a page gone": func(rnd *rand.Rand, b []byte) []byte { at := start(rnd, b); return slices.Delete(b, at, at+4096) },
	}
}

// read returns all that a state file says.
func read(path string, o Options) (string, error) {
	db, err := Open(path, o)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return dump(db)
}

func dump(db *DB) (string, error) {
	var b strings.Builder
	err := db.View(func(v *View) error {
		list, err := v.Intents()
		for k := range v.Records() {
			if rec := v.Record(Key(k)); rec == nil {
				err = errors.Join(err, fmt.Errorf("%q is there and is not found: %w", k, v.err))
			}
		}
		last, ok := v.LastSuccess()
		facts := v.Facts()
		fmt.Fprintln(&b, v.Len(), list, v.Failures(), v.Gone(), v.Runs(), facts, last, ok, v.Targets(), v.Budget("2026-03-02"),
			v.Flaws(), v.Unrecorded())
		v.each(bucketCopies, func(k, val []byte) error {
			fmt.Fprintln(&b, k, string(val))
			return nil
		})
		return errors.Join(err, v.Export(&b))
	})
	return b.String(), err
}

func change() *Change {
	c := &Change{Targets: []string{"t"}, Intend: []Intent{intent("new", "t")}, Run: &Run{Listed: 1}, Fail: []Failure{{Key: "z", Count: 1}},
		Budget: map[string]int64{"2026-03-02": 1}, Flaws: map[Key][]Flaw{"z": {{Target: "t"}}}, Facts: &Facts{NoTop: true},
		Copies: []Copy{{Key: "z", Target: "t", To: []string{"c@d"}, Sum: Fingerprint{1, 3}}}}
	for i := range 20 {
		c.Put = append(c.Put, typicalEntry(i*9+1))
		c.Deleted, c.DeletedAt = append(c.Deleted, typicalEntry(i*5).Key), at(3)
		c.Forget = append(c.Forget, typicalEntry(i*11).Key)
		c.Back = append(c.Back, typicalEntry(i*6).Key)
	}
	return c
}

// Whatever is damaged: it shows, or nothing is other than it was, also after
// a change. Nothing panics, goes in a circle, or takes much memory.
func TestDamageIsFoundOrHarmless(t *testing.T) {
	for _, size := range []struct {
		n         int
		scattered bool
	}{{0, false}, {3, false}, {40, true}, {900, false}, {6000, true}} {
		good := sample(t, size.n, size.scattered)
		path := filepath.Join(t.TempDir(), "x.db")
		write := func(b []byte) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(good)
		before, err := read(path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		after := changed(t, path)
		found := 0
		for name, harm := range harms() {
			n := damages(t)
			if size.n > 1000 {
				n = n/4 + 1
			}
			for seed := range n {
				bad := harm(rand.New(rand.NewPCG(uint64(seed), uint64(size.n))), bytes.Clone(good))
				write(bad)
				began := time.Now()
				got, err := read(path, Options{ReadOnly: true})
				if err == nil && got != before {
					t.Errorf("%s, seed %d of %d: read as something else, from\n%.700s\nto\n%.700s", name, seed, size.n, before, got)
				}
				if err != nil {
					found++
					if !errors.Is(err, ErrNotState) {
						t.Errorf("%s, seed %d of %d: %v", name, seed, size.n, err)
					}
				}
				write(bad)
				db, err := Open(path, Options{})
				if err == nil {
					err = errors.Join(db.Apply(change()), db.Close())
				}
				if err == nil {
					got, err = read(path, Options{ReadOnly: true})
				}
				if err == nil && got != after {
					t.Errorf("%s, seed %d of %d: a change made something else of it: from\n%.700s\nto\n%.700s", name, seed, size.n,
						after, got)
				}
				if d := time.Since(began); d > 20*time.Second { // a hang, not a slow machine
					t.Errorf("%s, seed %d of %d: took %v", name, seed, size.n, d)
				}
			}
		}
		t.Logf("%d entries, %d bytes: %d damages found", size.n, len(good), found)
		if found == 0 {
			t.Error("no damage was found")
		}
	}
}

func changed(t *testing.T, path string) string {
	t.Helper()
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, db, change())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := read(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
