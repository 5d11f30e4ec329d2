package shard

import (
	"fmt"
	"testing"
)

func idOf(i int) string { return fmt.Sprintf("user%d@pop.example.org", i) }

// shardOf is the shard of an account.
func shardOf(id string, of int) (in []int) {
	for n := 1; n <= of; n++ {
		if (Shard{n, of}).Has(id) {
			in = append(in, n)
		}
	}
	return in
}

// TestShards asks that each account is in just one shard, that shards are about equal, and
// that the assignment never changes between versions: two of them may run side by side
// during an upgrade.
func TestShards(t *testing.T) {
	t.Parallel()
	const accounts, of = 10_000, 10
	var sizes [of + 1]int
	for i := range accounts {
		in := shardOf(idOf(i), of)
		if len(in) != 1 {
			t.Fatalf("%s is in the shards %v", idOf(i), in)
		}
		sizes[in[0]]++
	}
	for n, size := range sizes[1:] {
		if size < accounts/of*9/10 || size > accounts/of*11/10 {
			t.Errorf("shard %d has %d of %d accounts", n+1, size, accounts)
		}
	}
	for id, want := range map[string]int{"alice@example.org": 5, "bob@example.org": 6, "carol@pop.example.net:1995": 7} {
		if got := shardOf(id, of); got[0] != want {
			t.Errorf("%s is in shard %d, want %d", id, got, want)
		}
	}
}

// TestResize asks that a change of the number of shards moves only the accounts that it
// must: to the new shard, or from the one that is gone.
func TestResize(t *testing.T) {
	t.Parallel()
	const accounts = 5000
	for _, of := range []int{1, 2, 9, 40} {
		moved := 0
		for i := range accounts {
			few, more := shardOf(idOf(i), of)[0], shardOf(idOf(i), of+1)[0]
			if few != more {
				moved++
				if more != of+1 {
					t.Fatalf("with %d shards, not %d, %s moves from %d to %d", of+1, of, idOf(i), few, more)
				}
			}
		}
		if want := accounts / (of + 1); moved < want*8/10 || moved > want*12/10 {
			t.Errorf("with %d shards, not %d, %d accounts move, want about %d", of+1, of, moved, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Shard{"": {}, "1/1": {1, 1}, "3/10": {3, 10}, "/10": {10, 10}} {
		if got, err := Parse(s, "9"); err != nil || got != want {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"0/10", "11/10", "3", "a/b", "3/", "-1/3", "3/10/2", "/9"} {
		if _, err := Parse(s, "9"); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	if _, err := Parse("/10", ""); err == nil {
		t.Error("/10 was taken without an index")
	}
	if !(Shard{}).Has("x") {
		t.Error("no shard does not mean all")
	}
}
