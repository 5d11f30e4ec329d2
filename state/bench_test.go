package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// fill delivers n messages as the engine does: each batch settles the last one
// and records the intents of this one, in the order of perm.
func fill(t testing.TB, db *DB, perm []int, batch int) {
	var settle []Settlement
	targets := []string{"maildir:~/Mail"}
	for len(perm) > 0 || len(settle) > 0 {
		c := &Change{Targets: targets, Settle: settle}
		n := min(batch, len(perm))
		for _, i := range perm[:n] {
			e := typicalEntry(i)
			c.Intend = append(c.Intend, Intent{Key: e.Key, Target: targets[0], Size: e.Size, SHA256: e.SHA256, Fingerprint: e.Fingerprint,
				At: e.FirstSeen, Kind: "maildir", Data: []byte("/home/alice/Mail\x00" + e.Outcomes[0].Receipt),
				Receipt: e.Outcomes[0].Receipt})
		}
		perm = perm[n:]
		apply(t, db, c)
		settle = nil
		for i := range c.Intend {
			settle = append(settle, Settlement{Intent: c.Intend[i].ID})
		}
	}
}

func order(n int, random bool) []int {
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	if random {
		rand.New(rand.NewPCG(7, 8)).Shuffle(n, func(i, j int) { perm[i], perm[j] = perm[j], perm[i] })
	}
	return perm
}

func perEntry(t testing.TB, db *DB, n int) float64 {
	t.Helper()
	fi, err := os.Stat(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	return float64(fi.Size()) / float64(n)
}

// The whole file, free pages and growth included, stays small for UIDs that
// ascend. The limit is 150 bytes an entry at 100,000 (BenchmarkFileSize); here
// the growth step of the file weighs more.
func TestFileSize(t *testing.T) {
	const n = 20000
	db := openTest(t)
	fill(t, db, order(n, false), 500)
	if got := perEntry(t, db, n); got > 165 {
		t.Errorf("%.1f bytes an entry", got)
	}
}

// BenchmarkApply is one batch of 100 in steady state: settle 100, intend 100.
func BenchmarkApply(b *testing.B) {
	for _, random := range []bool{false, true} {
		b.Run(fmt.Sprintf("random=%v", random), func(b *testing.B) {
			db := openTest(b)
			perm := order(100*b.N, random)
			b.ReportAllocs()
			b.ResetTimer()
			fill(b, db, perm, 100)
		})
	}
}

// BenchmarkFileSize reports what an entry takes on disk.
func BenchmarkFileSize(b *testing.B) {
	for _, batch := range []int{100, 500} {
		for _, random := range []bool{false, true} {
			b.Run(fmt.Sprintf("batch=%d/random=%v", batch, random), func(b *testing.B) {
				for range b.N {
					db := openTest(b)
					fill(b, db, order(100_000, random), batch)
					b.ReportMetric(perEntry(b, db, 100_000), "B/entry")
				}
			})
		}
	}
}

// BenchmarkPoll is a poll without news.
func BenchmarkPoll(b *testing.B) {
	db := openTest(b)
	fill(b, db, order(10000, false), 500)
	b.ReportAllocs()
	for b.Loop() {
		apply(b, db, &Change{Facts: &Facts{LastPoll: at(1), List: ListDigest{Count: 1}}, Run: &Run{Started: at(1), Listed: 100000}})
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db := openTest(b)
			for i := 0; i < n; i += 10000 {
				c := &Change{}
				for j := range 10000 {
					c.Put = append(c.Put, typicalEntry(i+j))
				}
				apply(b, db, c)
			}
			b.ReportAllocs()
			for b.Loop() {
				done := 0
				view(b, db, func(v *View) {
					for _, r := range v.Records() {
						if r.Done() {
							done++
						}
					}
				})
				if done != n {
					b.Fatal(done)
				}
			}
			b.ReportMetric(perEntry(b, db, n), "B/entry")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	db := openTest(b)
	fill(b, db, order(50000, false), 500)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(db.Path(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = db.Close()
	}
}

// BenchmarkMark is what a session notes of 10,000 messages at its end: that
// they were deleted, and that they are no longer listed.
func BenchmarkMark(b *testing.B) {
	const n = 10_000
	var keys []Key
	for i := range n {
		keys = append(keys, typicalEntry(i).Key)
	}
	for name, c := range map[string]*Change{
		"deleted": {Deleted: keys, DeletedAt: at(1)},
		"gone":    {Gone: keys, GoneAt: at(1)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				db := openTest(b)
				fill(b, db, order(n, false), 200)
				b.StartTimer()
				apply(b, db, c)
			}
		})
	}
}
