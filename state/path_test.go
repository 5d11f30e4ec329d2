package state

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
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
		if back := unescaped(want); back != id {
			t.Errorf("%s: %q, want %q", want, back, id)
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
		if back := unescaped(name); back != id {
			t.Fatalf("%q -> %s -> %q", id, name, back)
		}
	})
}

// unescaped is the id of a state file: every id has a name of its own.
func unescaped(name string) string {
	id, _ := url.PathUnescape(strings.TrimSuffix(name, ".db"))
	return id
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
