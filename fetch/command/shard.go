package command

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// shard is one of several equal parts of the accounts. The zero value is all.
type shard struct{ n, of int }

func shardFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: "fetch only part `N/OF` of the accounts, such as 3/10"}
}

// parseShard reads N/OF, N from 1; "" is all. Without N the part is that of a
// pod in an indexed Job, which Kubernetes counts from 0.
func parseShard(s string) (shard, error) {
	if s == "" {
		return shard{}, nil
	}
	a, b, ok := strings.Cut(s, "/")
	n, err1 := strconv.Atoi(a)
	if a == "" {
		n, err1 = strconv.Atoi(os.Getenv("JOB_COMPLETION_INDEX"))
		n++
	}
	of, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || n < 1 || of < n || of > 1_000_000 {
		return shard{}, exit.Usagef("--shard wants N/OF with N from 1 to OF, such as 3/10, or /OF in a Job with JOB_COMPLETION_INDEX, not %q", s)
	}
	return shard{n, of}, nil
}

// has reports whether an account is in the part. It depends on nothing but the
// account's ID, so that each of several processes finds its own alone.
func (s shard) has(id string) bool {
	if s.of == 0 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return mix(h.Sum64())%uint64(s.of) == uint64(s.n-1)
}

// mix spreads the last bits: those of FNV alone follow the last letters of an
// ID. It is the finaliser of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// of returns the accounts of a part.
func (s shard) pick(accounts []*config.Account) (out []*config.Account) {
	for _, a := range accounts {
		if s.has(a.ID) {
			out = append(out, a)
		}
	}
	return out
}

func (s shard) String() string {
	if s.of == 0 {
		return "all"
	}
	return fmt.Sprintf("%d/%d", s.n, s.of)
}
