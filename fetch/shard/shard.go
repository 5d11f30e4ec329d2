// Package shard divides accounts among processes: which shard has an account, and which
// process has a shard.
package shard

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Shard is the Nth of Of parts of the accounts, from 1. The zero value is all accounts.
type Shard struct{ N, Of int }

// errForm is that of a text that is no shard.
var errForm = errors.New("want N/OF with N from 1 to OF")

// Parse reads N/OF; "" is all. Without N the shard is that of index, which counts from 0
// and is text too: the number of a pod.
func Parse(s, index string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	a, b, ok := strings.Cut(s, "/")
	n, err1 := strconv.Atoi(a)
	if a == "" {
		n, err1 = strconv.Atoi(index)
		n++
	}
	of, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || n < 1 || of < n || of > 1_000_000 {
		return Shard{}, errForm
	}
	return Shard{n, of}, nil
}

// Has reports whether an account is in the shard: of all shards, this one gives its ID
// the largest weight (rendezvous hashing). It depends on nothing else, so that each
// process finds its own accounts alone. With one shard more, the accounts that move all
// move to that one; with one less, only its own move.
func (s Shard) Has(id string) bool {
	if s.Of == 0 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	sum := h.Sum64()
	own := weight(sum, s.N)
	for n := 1; n <= s.Of; n++ { // an account of another shard ends it soon
		if w := weight(sum, n); w > own || w == own && n < s.N {
			return false
		}
	}
	return true
}

// weight mixes the sum of an ID with the number of a shard: the finaliser of
// MurmurHash3, as the last bits of FNV follow the last letters of an ID.
func weight(sum uint64, n int) uint64 {
	h := sum + uint64(n)*0x9e3779b97f4a7c15
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// String is N/OF, or "all".
func (s Shard) String() string {
	if s.Of == 0 {
		return "all"
	}
	return fmt.Sprintf("%d/%d", s.N, s.Of)
}
