package state

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func gunzip(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "format1", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func export(t *testing.T, path string, o Options) string {
	t.Helper()
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	view(t, db, func(v *View) {
		if err := v.Export(&b); err != nil {
			t.Error(err)
		}
	})
	return b.String()
}

func version(t *testing.T, path string) int {
	t.Helper()
	db, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return db.version
}

// The files of testdata/format1 and their exports are commit e544af8's: fetched
// by a run, all by Apply, with some of everything.
func TestOldFormat(t *testing.T) {
	for _, name := range []string{"fetched", "all"} {
		t.Run(name, func(t *testing.T) {
			old, want := gunzip(t, name+".db.gz"), string(gunzip(t, name+".jsonl.gz"))
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := export(t, path, Options{ReadOnly: true}); got != want {
				t.Errorf("read without upgrade: %.300s", got)
			}
			before, err := read(path, Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, old) {
				t.Errorf("reading changed the file: %v", err)
			}
			if v := version(t, path); v != 1 {
				t.Fatalf("format %d", v)
			}
			if got := export(t, path, Options{}); got != want {
				t.Errorf("upgraded: %.300s", got)
			}
			if v := version(t, path); v != formatVersion {
				t.Fatalf("format %d after the upgrade", v)
			}
			after, err := read(path, Options{ReadOnly: true})
			if err != nil || after != before {
				t.Errorf("another content: %v\n%.300s\n%.300s", err, before, after)
			}
			if changed(t, path) == before {
				t.Error("a change changed nothing")
			}
		})
	}
}

// Damage in a file without sums that is in sight stops the upgrade; it does not
// get a sum that makes it look whole.
func TestOldFormatDamaged(t *testing.T) {
	old := gunzip(t, "all.db.gz")
	path := filepath.Join(t.TempDir(), "x.db")
	refused := 0
	for name, harm := range harms() {
		for seed := range damages(t) {
			bad := harm(rand.New(rand.NewPCG(uint64(seed), 1)), bytes.Clone(old))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(path, Options{})
			if err == nil {
				err = errors.Join(db.Apply(change()), db.Close())
			}
			if err == nil {
				_, err = read(path, Options{ReadOnly: true})
			}
			if err != nil {
				refused++
				if !errors.Is(err, ErrNotState) {
					t.Errorf("%s, seed %d: %v", name, seed, err)
				}
			}
		}
	}
	if refused == 0 {
		t.Error("no damage was found")
	}
}
