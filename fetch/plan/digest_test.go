package plan

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// TestRestEqualsDiff compares the short way with the long one, on listings
// that differ from the last one in every way a listing can.
func TestRestEqualsDiff(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	short, long := 0, 0
	for range 300 {
		db, err := state.Open(filepath.Join(t.TempDir(), "s.db"), state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var head, rest []pop3.Message
		var put []state.Entry
		var gone []state.Key
		for i := range 40 {
			m := pop3.Message{Num: i + 1, Size: int64(rng.IntN(1000)), UID: fmt.Sprintf("u%d", i)}
			switch k := rng.IntN(20); {
			case i < 20:
				head = append(head, m)
				put = append(put, state.Entry{Key: state.Key(m.UID), Done: true})
				if k == 0 && i > 17 {
					gone = append(gone, state.Key(m.UID)) // back again
				}
			case k < 12: // new
				rest = append(rest, m)
			case k < 14: // known, done or not
				rest = append(rest, m)
				put = append(put, state.Entry{Key: state.Key(m.UID), Done: k == 12})
			case k < 16: // gone, expired or not, listed again or not
				put = append(put, state.Entry{Key: state.Key(m.UID), Done: true})
				gone = append(gone, state.Key(m.UID))
				if k == 14 {
					rest = append(rest, m)
				}
			case k == 16 && rng.IntN(4) == 0: // vanished now
				put = append(put, state.Entry{Key: state.Key(m.UID), Done: true})
			case k == 17 && rng.IntN(4) == 0: // a UID twice
				m.UID = head[3].UID
				rest = append(rest, m)
			}
		}
		at := now.Add(-time.Duration(rng.IntN(200)) * 24 * time.Hour)
		if err := db.Apply(&state.Change{Put: put}); err != nil {
			t.Fatal(err)
		}
		if err := db.Apply(&state.Change{Gone: gone, GoneAt: at}); err != nil {
			t.Fatal(err)
		}
		list := slices.Concat(head, rest)
		err = db.View(func(v *state.View) error {
			want := Diff(list, KnownOf(v), Policy{}, Limits{Messages: 5}, now)
			got, rest := DiffFrom(len(head), list, v, KnownOf(v), Policy{}, Limits{Messages: 5}, now)
			if rest {
				short++
			} else {
				long++
				got = Diff(list, KnownOf(v), Policy{}, Limits{Messages: 5}, now)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if short < 50 || long < 50 {
		t.Errorf("%d listings took the short way and %d the long one: the test is lopsided", short, long)
	}
}

func TestDigest(t *testing.T) {
	list := func(uids ...string) (l []pop3.Message) {
		for i, u := range uids {
			l = append(l, pop3.Message{Num: i + 1, UID: u})
		}
		return l
	}
	base := Digest(list("a", "b"), []string{"t"})
	if again := Digest(list("a", "b"), []string{"t"}); again != base {
		t.Error("the same list has another digest")
	}
	for _, other := range []state.Sum{
		Digest(list("b", "a"), []string{"t"}), Digest(list("ab"), []string{"t"}), Digest(list("a"), []string{"t"}),
		Digest(list("a", "b"), []string{"t", "u"}), Digest(list("a", "b"), nil), Digest(list("t", "a", "b"), nil),
	} {
		if other == base {
			t.Error("another list has the same digest")
		}
	}
	long := list(make([]string, 10_000)...)
	for i := range long {
		long[i].UID = fmt.Sprintf("%070d", i)
	}
	before := Digest(long, nil)
	long[9_000].UID = "x"
	if Digest(long, nil) == before {
		t.Error("a change in a long list does not show")
	}
}
