package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// fillScattered adds n entries whose keys are in no order, in batches as a fetch does,
// and returns them.
func fillScattered(t *testing.T, db *DB, n int) map[Key]Entry {
	t.Helper()
	want := make(map[Key]Entry)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := 0; i < n; i += 200 {
		c := &Change{}
		for j := i; j < min(i+200, n); j++ {
			sum := sha256.Sum256(fmt.Append(nil, j))
			e := Entry{Key: Key(hex.EncodeToString(sum[:8])), Size: int64(j), SHA256: sum, Fingerprint: Fingerprint(sum[:16]),
				FirstSeen: now, Done: true,
				Outcomes: []Outcome{{Target: "t", At: now, Receipt: fmt.Sprintf("1600000000.R%xQ%d", sum[:8], j)}}}
			c.Put, want[e.Key] = append(c.Put, e), e
		}
		if err := db.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	return want
}

func TestCloseCompacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 30_000
	want := fillScattered(t, db, n)
	intent := &Change{Intend: []Intent{{Key: "open", Target: "t", Kind: "k", Data: []byte("d")}}}
	if err := db.Apply(intent); err != nil {
		t.Fatal(err)
	}
	before := size(t, path)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if per := size(t, path) / n; per >= 150 || size(t, path) >= before {
		t.Errorf("%d bytes an entry, before %d", per, before/n)
	}
	if err := db.Apply(&Change{Unfail: []Key{"x"}}); err == nil {
		t.Error("a closed state took a change")
	}
	if db, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	got := make(map[Key]Entry)
	var intents []Intent
	err = db.View(func(v *View) (err error) {
		for k, r := range v.Records() {
			e := v.Entry(k, r)
			got[e.Key] = e
		}
		if v.Len() != n {
			t.Errorf("counts %d", v.Len())
		}
		intents, err = v.Intents()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(intents) != 1 || intents[0].ID != intent.Intend[0].ID {
		t.Errorf("intents: %+v", intents)
	}
	again := &Change{Intend: []Intent{{Key: "next", Target: "t", Kind: "k"}}}
	if err := db.Apply(again); err != nil {
		t.Fatal(err)
	}
	if again.Intend[0].ID <= intents[0].ID {
		t.Errorf("an intent's ID was used again: %d after %d", again.Intend[0].ID, intents[0].ID)
	}
	dense := size(t, path)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if size(t, path) != dense {
		t.Error("a dense file was written again")
	}
}

// TestCompactCannot keeps the old file where no new one can be made.
func TestCompactCannot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := fillScattered(t, db, 3000)
	if err := os.MkdirAll(filepath.Join(path+".compact", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(v *View) error {
		if v.Len() != len(want) {
			t.Errorf("%d entries, want %d", v.Len(), len(want))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// TestCompactLeavesNewer: a file that a newer mailhaul wrote is refused, and left
// as it is.
func TestCompactLeavesNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fillScattered(t, db, 3000)
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		ts, err := db.openTables(tx)
		if err != nil {
			return err
		}
		return errors.Join(putVersion(ts.meta.b, formatVersion+1), ts.putTallies())
	})
	unlock := unlocker(db.file)
	err = errors.Join(err, db.bolt.Close()) // without what our Close does
	if unlock(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var newer *VersionError
	if _, err := Open(path, Options{}); !errors.As(err, &newer) {
		t.Error(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was written anew (%v)", err)
	}
}
