package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := New(Options{Path: path})
	b, intents := stage(t, d, "one", "two", "three")
	b.Publish(t.Context())
	must(t, os.WriteFile(filepath.Join(path, "cur", "1.M2P3.foreign:2,S"), nil, 0o600))
	x, err := NewIndex(path)
	must(t, err)
	if where, ok := x.Find("1.M2P3.foreign"); !ok || where != "cur/1.M2P3.foreign:2,S" {
		t.Errorf("the foreign message is at %q", where)
	}
	if len(x.names) != 4 {
		t.Fatalf("%d messages, want 4", len(x.names))
	}
	// A mail reader moves everything after the index was made, and deletes one.
	moveToCur(t, path)
	must(t, os.Remove(only(t, path, "cur/"+intents[2].Receipt+".*")))
	for i, want := range []string{"one", "two"} {
		f, err := x.Open(intents[i].Receipt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || string(got) != want {
			t.Errorf("message %d: got %q, %v", i, got, err)
		}
		must(t, f.Close())
		if where, ok := x.Find(intents[i].Receipt); !ok || filepath.Dir(where) != "cur" {
			t.Errorf("message %d: at %q, %v", i, where, ok)
		}
	}
	for _, receipt := range []string{intents[2].Receipt, "", "../new", intents[0].Receipt[:20]} {
		if _, err := x.Open(receipt); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("index, %q: got %v, want ErrNotExist", receipt, err)
		}
	}
	if _, err := NewIndex(filepath.Join(path, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no Maildir: got %v", err)
	}
}

// makeMessages makes a Maildir of empty messages.
func makeMessages(t testing.TB, path string, n int) (receipts []string) {
	t.Helper()
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		receipt := fmt.Sprintf("%d.R0123456789abcdefQ%d", 1700000000+i, i)
		receipts = append(receipts, receipt)
		if err := os.WriteFile(filepath.Join(path, "cur", receipt+".host.example,S=0:2,S"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return receipts
}
