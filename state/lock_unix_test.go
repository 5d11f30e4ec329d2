//go:build unix

package state

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestCloseUnlocks: the lock ends with Close although a child that is being
// started still has a copy of the descriptor.
func TestCloseUnlocks(t *testing.T) {
	for name, tc := range map[string]struct{ readOnly, broken bool }{
		"reader": {readOnly: true}, "writer": {}, "damaged": {broken: true}, "damaged, for reading": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			db, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if tc.readOnly {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if db, err = Open(path, Options{ReadOnly: true}); err != nil {
					t.Fatal(err)
				}
			}
			copied, err := syscall.Dup(int(db.file.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(copied)
			db.broken.Store(tc.broken)
			for range 2 { // Close is idempotent
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			next, err := Open(path, Options{})
			if err != nil {
				t.Fatalf("after Close: %v", err)
			}
			if err := next.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
