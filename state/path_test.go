package state

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPath(t *testing.T) {
	for id, want := range map[string]string{
		"alice@example.org":      "alice@example.org.db",
		"Alice@Example.org:1100": "Alice@Example.org%3A1100.db",
		"..":                     "%2E..db",
		"../../etc/passwd":       "%2E.%2F..%2Fetc%2Fpasswd.db",
		"":                       "%.db",
		"%41":                    "%2541.db",
		"a b\x00\xff":            "a%20b%00%FF.db",
		"jürgen":                 "j%C3%BCrgen.db",
	} {
		got := Path("d", id)
		if got != filepath.Join("d", want) {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
		if back, ok := unescape(strings.TrimSuffix(want, ".db")); !ok || back != id {
			t.Errorf("%s: %q %v, want %q", want, back, ok, id)
		}
	}
	if got := StatusPath("d", "a:b"); got != filepath.Join("d", "a%3Ab.status") {
		t.Error(got)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("alice@example.org:110")
	f.Fuzz(func(t *testing.T, id string) {
		name := filepath.Base(Path("d", id))
		if filepath.Dir(Path("d", id)) != "d" || strings.HasPrefix(name, ".") {
			t.Fatalf("%q leaves the directory or hides: %s", id, name)
		}
		if back, ok := unescape(strings.TrimSuffix(name, ".db")); !ok || back != id {
			t.Fatalf("%q -> %s -> %q %v", id, name, back, ok)
		}
	})
}

func TestIDs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b@x.db", "a%3A1.db", "%.db", "a%3a1.db", "%zz.db", "%4.db", "x.status", "b@x.db.1.new", ".db"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "tokens.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := IDs(dir)
	want := []string{"", "a:1", "b@x"}
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" { // a%3a1.db is the same file there
		want = got
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	if got, err := IDs(filepath.Join(dir, "none")); err != nil || got != nil {
		t.Errorf("missing directory: %v %v", got, err)
	}
	if _, err := IDs(filepath.Join(dir, ".db")); err == nil {
		t.Error("a file is no directory")
	}
}

func TestKey(t *testing.T) {
	seen := map[Key]bool{}
	for _, uid := range []string{"a", "a\x001", "a\x00", "", "\x00"} {
		for _, nth := range []int{0, 1, 2, 11} {
			k := NewKey(uid, nth)
			if k.UID() != uid || k.Nth() != nth || seen[k] {
				t.Errorf("%q %d: %q gives %q %d, seen before: %v", uid, nth, k, k.UID(), k.Nth(), seen[k])
			}
			seen[k] = true
		}
	}
	if NewKey("a", 0) != "a" || NewKey("a", 3) != "a\x003" {
		t.Error("the spelling of keys is part of the format")
	}
}
