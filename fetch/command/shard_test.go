package command

import (
	"fmt"
	"testing"
)

// TestShards asks that each account is in just one part, that parts are about
// equal, and that the assignment never changes between versions: two of them
// may run side by side during an upgrade.
func TestShards(t *testing.T) {
	t.Parallel()
	const accounts, parts = 10_000, 10
	var sizes [parts]int
	for i := range accounts {
		id := fmt.Sprintf("user%d@pop.example.org", i)
		in := 0
		for n := range parts {
			if (shard{n + 1, parts}).has(id) {
				sizes[n]++
				in++
			}
		}
		if in != 1 {
			t.Fatalf("%s is in %d parts", id, in)
		}
	}
	for n, size := range sizes {
		if size < accounts/parts*9/10 || size > accounts/parts*11/10 {
			t.Errorf("part %d has %d of %d accounts", n+1, size, accounts)
		}
	}
	for id, want := range map[string]int{"alice@example.org": 1, "bob@example.org": 4, "carol@pop.example.net:1995": 10} {
		for n := 1; n <= parts; n++ {
			if (shard{n, parts}).has(id) && n != want {
				t.Errorf("%s is in part %d, want %d", id, n, want)
			}
		}
	}
}

func TestParseShard(t *testing.T) {
	for s, want := range map[string]shard{"": {}, "1/1": {1, 1}, "3/10": {3, 10}} {
		if got, err := parseShard(s); err != nil || got != want {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"0/10", "11/10", "3", "a/b", "3/", "-1/3", "3/10/2"} {
		if _, err := parseShard(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	t.Setenv("JOB_COMPLETION_INDEX", "")
	if _, err := parseShard("/10"); err == nil {
		t.Error("/10 was taken outside of a Job")
	}
	t.Setenv("JOB_COMPLETION_INDEX", "9")
	if got, err := parseShard("/10"); err != nil || got != (shard{10, 10}) {
		t.Errorf("/10 in the last pod: %v %v", got, err)
	}
	if !(shard{}).has("x") {
		t.Error("no shard does not mean all")
	}
}
