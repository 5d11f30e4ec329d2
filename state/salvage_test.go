package state

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func salvageOf(t *testing.T, path string) (Salvaged, map[Key]Exported) {
	t.Helper()
	var b bytes.Buffer
	s, err := Salvage(path, &b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[Key]Exported{}
	for e, err := range Import(&b) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Key] = e
	}
	if len(got) != s.Entries {
		t.Errorf("%d lines, %d said", len(got), s.Entries)
	}
	return s, got
}

// A whole file is salvaged whole, in both formats.
func TestSalvageWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for name, b := range map[string][]byte{"old": gunzip(t, "all.db.gz"), "old, small": gunzip(t, "fetched.db.gz"),
		"empty": sample(t, 0, false), "small": sample(t, 3, false), "large": sample(t, 3000, true)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var want map[Key]Entry
		var flaws map[Key][]Flaw
		db, err := Open(path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		want = map[Key]Entry{}
		view(t, db, func(v *View) {
			flaws = v.Flaws()
			for k, r := range v.Records() {
				want[NewKey(Key(k).UID(), Key(k).Nth())] = v.Entry(k, r) // as exported
			}
		})
		_ = db.Close()
		s, got := salvageOf(t, path)
		if !s.Whole || s.Recorded != len(want) || len(got) != len(want) {
			t.Errorf("%s: %+v, want %d", name, s, len(want))
		}
		for k, e := range want {
			if g := got[k]; g.SHA256 != e.SHA256 || g.Done != e.Done || len(g.Outcomes) != len(e.Outcomes) ||
				!slices.Equal(g.Flaws, flaws[k]) {
				t.Errorf("%s: %+v, want %+v", name, g, e)
			}
		}
	}
}

// What is whole in a damaged file is saved: all but the entries of the one page
// that was harmed; and nothing that is not so.
func TestSalvageDamaged(t *testing.T) {
	const n = 900
	good := sample(t, n, true)
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	_, want := salvageOf(t, path)
	for name, harm := range harms() {
		for seed := range damages(t) {
			bad := harm(rand.New(rand.NewPCG(uint64(seed), 2)), bytes.Clone(good))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			s, got := salvageOf(t, path)
			for k, e := range got {
				if w, ok := want[k]; !ok || w.SHA256 != e.SHA256 || w.Done != e.Done {
					t.Errorf("%s, seed %d: %+v, want %+v", name, seed, e, w)
				}
			}
			if _, err := read(path, Options{ReadOnly: true}); (err == nil) != s.Whole {
				t.Errorf("%s, seed %d: %+v, but read: %v", name, seed, s, err)
			}
			moved := name == "cut" || name == "a page gone" // other pages than the one
			if lost := n - len(got); lost > 2*80 && !moved {
				t.Errorf("%s, seed %d: %d entries lost", name, seed, lost)
			}
		}
	}
}

// What was forgotten stays in the pages that are free since, and stays there.
func TestSalvageLeavesTheForgotten(t *testing.T) {
	db := openTest(t)
	fill(t, db, order(500, false), 100)
	apply(t, db, &Change{Forget: []Key{typicalEntry(7).Key}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, got := salvageOf(t, db.Path())
	if _, ok := got[typicalEntry(7).Key]; ok || len(got) != 499 {
		t.Errorf("%d entries, the forgotten one is there: %v", len(got), ok)
	}
}

func TestSalvageForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for _, text := range []string{"", "hello\n", strings.Repeat("uid 1234\n", 10000)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, got := salvageOf(t, path); s.Whole || len(got) > 0 {
			t.Errorf("%.10q: %+v", text, s)
		}
	}
	if _, err := Salvage(path+".none", &bytes.Buffer{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// An entry that lost the name of a target does not prove any more that its
// message is there: it stays seen, and its message is not deleted for it.
func TestSalvageLostTarget(t *testing.T) {
	n := numbering{}
	e := typicalEntry(1)
	e.Outcomes = append(e.Outcomes, Outcome{Target: "mbox:~/all", At: at(3)})
	b, err := appendEntry(nil, &e, n.number)
	if err != nil {
		t.Fatal(err)
	}
	sealed := newSealer(bucketEntries, sealedVersion).seal([]byte(e.Key), b)
	names := map[uint64]string{}
	for _, o := range e.Outcomes {
		i, _ := n.number(o.Target)
		names[i] = o.Target
	}
	for lost := -1; lost < len(names); lost++ {
		s := &salvage{names: maps.Clone(names), entries: map[Key]Entry{}}
		want := Fetched
		if lost >= 0 {
			want = Imported
			i, _ := n.number(e.Outcomes[lost].Target)
			delete(s.names, i)
		}
		s.takeEntry([]byte(e.Key), sealed)
		if got := s.entries[e.Key]; got.Source != want || !got.Done || len(got.Outcomes) != len(s.names) {
			t.Errorf("target %d lost: %+v", lost, got)
		}
	}
}
