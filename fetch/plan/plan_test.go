package plan

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func daysAgo(n int) time.Time { return noon.AddDate(0, 0, -n) }

// openTestState opens an empty state.
func openTestState(tb testing.TB) *state.DB {
	tb.Helper()
	db, err := state.Open(filepath.Join(tb.TempDir(), "test.db"), state.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func apply(tb testing.TB, db *state.DB, c *state.Change) {
	tb.Helper()
	if err := db.Apply(c); err != nil {
		tb.Fatal(err)
	}
}

// diffOf is Diff over what db holds.
func diffOf(tb testing.TB, db *state.DB, list []pop3.Message, targets []string, p Policy, l Limits) (plan Plan) {
	tb.Helper()
	err := db.View(func(v *state.View) error {
		known := KnownOf(v)
		known.Targets = targets
		plan = Diff(list, known, p, l, noon)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// msgs makes a listing: "a", or "a:SIZE".
func msgs(specs ...string) (list []pop3.Message) {
	for i, s := range specs {
		m := pop3.Message{Num: i + 1, UID: s, Size: 100}
		if n, _ := fmt.Sscanf(s[min(1, len(s)):], ":%d", &m.Size); n == 1 {
			m.UID = s[:1]
		}
		list = append(list, m)
	}
	return list
}

// seen is an entry that is delivered to target m.
func seen(uid string, first time.Time) state.Entry {
	return state.Entry{Key: state.Key(uid), Size: 90, FirstSeen: first, Done: true,
		Outcomes: []state.Outcome{{Target: "m", Status: state.Delivered}}}
}

// brief is a plan in few words: what happens to which key.
type brief struct {
	Retrieve, Delete, Skip []string
	Gone, Back, Expire     []string
	Known                  int
}

func briefOf(p *Plan) (b brief) {
	for _, it := range p.Retrieve {
		s := keyText(it.Key)
		if it.Delete {
			s += " then delete"
		}
		for _, t := range it.Have {
			s += " has " + t
		}
		for _, t := range it.RefusedBy {
			s += " quarantined for " + t
		}
		b.Retrieve = append(b.Retrieve, s)
	}
	for _, it := range p.Delete {
		b.Delete = append(b.Delete, keyText(it.Key))
	}
	for _, it := range p.Skip {
		b.Skip = append(b.Skip, keyText(it.Key)+" "+it.Why.String())
	}
	for to, from := range map[*[]string][]state.Key{&b.Gone: p.Gone, &b.Back: p.Back, &b.Expire: p.Expire} {
		for _, k := range from {
			*to = append(*to, keyText(k))
		}
	}
	b.Known = p.Known
	return b
}

func keyText(k state.Key) string {
	if k.Nth() > 0 {
		return fmt.Sprintf("%s#%d", k.UID(), k.Nth()+1)
	}
	return k.UID()
}

func TestDiff(t *testing.T) {
	t.Parallel()
	incomplete := state.Entry{Key: "a", FirstSeen: daysAgo(1), Outcomes: []state.Outcome{{Target: "m"}}}
	quarantined := seen("a", daysAgo(9))
	quarantined.Outcomes[0].Status = state.Quarantined
	marked, imported := seen("a", daysAgo(9)), seen("a", daysAgo(9))
	marked.Source, marked.Outcomes = state.Marked, nil
	imported.Source, imported.Outcomes = state.Imported, nil
	fail := func(target string, count int, next time.Time, permanent bool) *state.Change {
		return &state.Change{Fail: []state.Failure{{Key: "a", Target: target, Count: count, Next: next, Permanent: permanent}}}
	}
	tests := []struct {
		name  string
		known []state.Entry
		also  *state.Change
		list  []pop3.Message
		p     Policy
		l     Limits
		want  brief
	}{
		{name: "nothing at all"},
		{name: "new", list: msgs("b", "a"), want: brief{Retrieve: []string{"b", "a"}}},
		{name: "seen", known: []state.Entry{seen("a", daysAgo(1))}, list: msgs("a", "b"),
			want: brief{Known: 1, Retrieve: []string{"b"}}},
		{name: "seen, all", known: []state.Entry{seen("a", daysAgo(1))}, list: msgs("a", "b"), p: Policy{All: true},
			want: brief{Retrieve: []string{"a", "b"}}},
		{name: "duplicates", list: msgs("a", "b", "a", "a"), want: brief{Retrieve: []string{"a", "b", "a#2", "a#3"}}},
		{name: "one more duplicate", known: []state.Entry{seen("a", daysAgo(1))}, list: msgs("a", "a"),
			want: brief{Known: 1, Retrieve: []string{"a#2"}}},
		{name: "gone", known: []state.Entry{seen("a", daysAgo(1)), seen("z", daysAgo(1))}, list: msgs("m"),
			want: brief{Retrieve: []string{"m"}, Gone: []string{"a", "z"}}},
		{name: "gone before", known: []state.Entry{seen("a", daysAgo(99))},
			also: &state.Change{Gone: []state.Key{"a"}, GoneAt: daysAgo(89)}},
		{name: "forgotten", known: []state.Entry{seen("a", daysAgo(99))}, also: &state.Change{Gone: []state.Key{"a"}, GoneAt: daysAgo(90)},
			want: brief{Expire: []string{"a"}}},
		{name: "forgotten sooner", known: []state.Entry{seen("a", daysAgo(99))},
			also: &state.Change{Gone: []state.Key{"a"}, GoneAt: daysAgo(3)},
			p:    Policy{ForgetAfter: 48 * time.Hour}, want: brief{Expire: []string{"a"}}},
		{name: "back", known: []state.Entry{seen("a", daysAgo(99))},
			also: &state.Change{Gone: []state.Key{"a"}, GoneAt: daysAgo(200)}, list: msgs("a"),
			want: brief{Known: 1, Back: []string{"a"}}},
		{name: "incomplete", known: []state.Entry{incomplete}, list: msgs("a"), want: brief{Retrieve: []string{"a has m"}}},
		{name: "too big", list: msgs("a:101", "b:100"), p: Policy{MaxSize: 100},
			want: brief{Retrieve: []string{"b"}, Skip: []string{"a too big"}}},
		{name: "unknown size is not too big", list: []pop3.Message{{Num: 1, UID: "a", Size: -1}}, p: Policy{MaxSize: 1},
			want: brief{Retrieve: []string{"a"}}},
		{name: "limit of messages", list: msgs("a:500", "b", "c"), p: Policy{MaxSize: 400}, l: Limits{Messages: 1},
			want: brief{Retrieve: []string{"b"}, Skip: []string{"a too big", "c over limit"}}},
		{name: "limit of bytes", list: msgs("a:60", "b:60", "c:40"), l: Limits{Bytes: 100},
			want: brief{Retrieve: []string{"a", "c"}, Skip: []string{"b over limit"}}},
		{name: "one larger than the limit of bytes still comes", list: msgs("a:600", "b:1"), l: Limits{Bytes: 100},
			want: brief{Retrieve: []string{"a"}, Skip: []string{"b over limit"}}},
		{name: "keep none", known: []state.Entry{seen("a", daysAgo(1))}, list: msgs("a", "b"), p: Policy{Keep: Keep{None: true}},
			want: brief{Known: 1, Delete: []string{"a"}, Retrieve: []string{"b then delete"}}},
		{name: "keep none, what is skipped stays", list: msgs("a:500"), p: Policy{Keep: Keep{None: true}, MaxSize: 1},
			want: brief{Skip: []string{"a too big"}}},
		{name: "keep none, marked", known: []state.Entry{marked}, list: msgs("a"),
			p: Policy{Keep: Keep{None: true}, TrustImported: true}, want: brief{Known: 1}},
		{name: "keep none, imported", known: []state.Entry{imported}, list: msgs("a"), p: Policy{Keep: Keep{None: true}},
			want: brief{Known: 1}},
		{name: "keep none, imported and trusted", known: []state.Entry{imported}, list: msgs("a"),
			p:    Policy{Keep: Keep{None: true}, TrustImported: true},
			want: brief{Known: 1, Delete: []string{"a"}}},
		{name: "keep none, quarantined", known: []state.Entry{quarantined}, list: msgs("a"), p: Policy{Keep: Keep{None: true}},
			want: brief{Known: 1}},
		{name: "keep none, gmail recent", known: []state.Entry{seen("a", daysAgo(1))}, list: msgs("a", "b"),
			p:    Policy{Keep: Keep{None: true}, Gmail: GmailRecent},
			want: brief{Known: 1, Retrieve: []string{"b"}}},
		{name: "keep days", known: []state.Entry{seen("a", daysAgo(14)), seen("b", daysAgo(15))}, list: msgs("a", "b", "c"),
			p:    Policy{Keep: Keep{Days: 14}},
			want: brief{Known: 2, Delete: []string{"b"}, Retrieve: []string{"c"}}},
		{name: "keep newest", known: []state.Entry{seen("a", daysAgo(3)), seen("b", daysAgo(2))}, list: msgs("a", "b", "c", "d"),
			p:    Policy{Keep: Keep{Newest: 2}},
			want: brief{Known: 2, Delete: []string{"a", "b"}, Retrieve: []string{"c", "d"}}},
		{name: "keep newest, by place within one run", known: []state.Entry{seen("a", daysAgo(2)), seen("b", daysAgo(2))},
			list: msgs("b", "a"), p: Policy{Keep: Keep{Newest: 1}},
			want: brief{Known: 2, Delete: []string{"b"}}},
		{name: "keep newest, more new ones than that", list: msgs("a", "b", "c"), p: Policy{Keep: Keep{Newest: 2}},
			want: brief{Retrieve: []string{"a then delete", "b", "c"}}},
		{name: "keep below", known: []state.Entry{seen("a", daysAgo(3)), seen("b", daysAgo(2)), seen("c", daysAgo(1))},
			list: msgs("a", "b", "c"), p: Policy{Keep: Keep{Below: 250}},
			want: brief{Known: 3, Delete: []string{"a"}}},
		{name: "keep below, marked ones do not help", known: []state.Entry{marked, seen("b", daysAgo(2))}, list: msgs("a", "b"),
			p:    Policy{Keep: Keep{Below: 150}},
			want: brief{Known: 2, Delete: []string{"b"}}},
		{name: "any rule deletes", known: []state.Entry{seen("a", daysAgo(30)), seen("b", daysAgo(2)), seen("c", daysAgo(1))},
			list: msgs("a", "b", "c"),
			p:    Policy{Keep: Keep{Days: 14, Newest: 1}}, want: brief{Known: 3, Delete: []string{"a", "b"}}},
		{name: "failed once", also: fail("m", 1, time.Time{}, false), list: msgs("a"), want: brief{Retrieve: []string{"a"}}},
		{name: "not due", also: fail("m", 3, noon.Add(time.Hour), false), list: msgs("a"), p: Policy{OnReject: KeepOnServer},
			want: brief{Skip: []string{"a failed before, waiting"}}},
		{name: "due", also: fail("m", 3, noon, false), list: msgs("a"), p: Policy{OnReject: KeepOnServer},
			want: brief{Retrieve: []string{"a"}}},
		{name: "the server refuses it", also: fail("", 9, noon.Add(time.Hour), false), list: msgs("a"),
			want: brief{Skip: []string{"a failed before, waiting"}}},
		{name: "refused for good", also: fail("m", 1, noon.Add(time.Hour), true), list: msgs("a"), p: Policy{Keep: Keep{None: true}},
			want: brief{Retrieve: []string{"a then delete quarantined for m"}}},
		{name: "repeated failure", also: fail("m", 3, noon.Add(time.Hour), false), list: msgs("a"),
			want: brief{Retrieve: []string{"a quarantined for m"}}},
		{name: "not yet often enough", also: fail("m", 3, noon.Add(-time.Hour), false), list: msgs("a"), p: Policy{Poison: 4},
			want: brief{Retrieve: []string{"a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := openTestState(t)
			apply(t, db, &state.Change{Put: tt.known})
			if tt.also != nil {
				apply(t, db, tt.also)
			}
			plan := diffOf(t, db, tt.list, []string{"m"}, tt.p, tt.l)
			if d := cmp.Diff(tt.want, briefOf(&plan), cmpopts.EquateEmpty()); d != "" {
				t.Error("want -, got +\n" + d)
			}
			if plan.Listed != len(tt.list) {
				t.Errorf("listed %d", plan.Listed)
			}
		})
	}
}

// planWorld is random input of Diff.
type planWorld struct {
	list []pop3.Message
	put  []state.Entry
	gone map[state.Key]time.Time
	p    Policy
	l    Limits
}

func randomWorld(r *rand.Rand) planWorld {
	w := planWorld{gone: make(map[state.Key]time.Time)}
	uid := func() string { return string(rune('a' + r.IntN(12))) }
	for i := range r.IntN(14) {
		w.list = append(w.list, pop3.Message{Num: i + 1, UID: uid(), Size: int64(r.IntN(200)) - 1})
	}
	have := make(map[state.Key]bool)
	for range r.IntN(12) {
		e := seen("", daysAgo(r.IntN(6)))
		e.Key = state.NewKey(uid(), r.IntN(3)/2)
		if have[e.Key] {
			continue
		}
		have[e.Key] = true
		e.Done = r.IntN(4) > 0
		e.Source = state.Source(r.IntN(3))
		e.Outcomes[0].Status = state.Status(r.IntN(4) / 3)
		w.put = append(w.put, e)
		if r.IntN(3) == 0 {
			w.gone[e.Key] = daysAgo(r.IntN(200))
		}
	}
	if r.IntN(2) == 0 {
		w.p.MaxSize = 150
	}
	w.p.All = r.IntN(8) == 0
	w.p.TrustImported = r.IntN(2) == 0
	switch r.IntN(4) {
	case 0:
		w.p.Keep.None = true
	case 1:
		w.p.Keep = Keep{Days: r.IntN(4), Newest: r.IntN(6), Below: int64(r.IntN(3)) * 300}
	}
	w.l.Messages = r.IntN(2) * r.IntN(5)
	return w
}

// naive does the same as Diff in the plainest way: one message at a time, with
// maps, and rules as sentences.
func naive(w planWorld) (b brief) {
	entries := make(map[state.Key]state.Entry)
	for _, e := range w.put {
		entries[e.Key] = e
	}
	nth := make(map[string]int)
	keys := make([]state.Key, len(w.list))
	for i, m := range w.list {
		keys[i] = state.NewKey(m.UID, nth[m.UID])
		nth[m.UID]++
	}
	deletes := naiveDeletes(w, keys, entries)
	room := w.l.Messages // for messages of which no target has a copy
	if room == 0 {
		room = len(w.list)
	}
	fresh, waiting := room, room
	for i, m := range w.list {
		if _, known := entries[keys[i]]; (!known || w.p.All) && (w.p.MaxSize == 0 || m.Size <= w.p.MaxSize) {
			waiting--
		}
	}
	for i, m := range w.list {
		e, known := entries[keys[i]]
		left := &fresh
		if known && !w.p.All {
			left = &waiting
		}
		mayDelete := e.Outcomes == nil || e.Outcomes[0].Status == state.Delivered
		if known {
			mayDelete = mayDelete && (e.Source == state.Fetched || w.p.TrustImported && e.Source == state.Imported)
		}
		text := keyText(keys[i])
		switch {
		case known && e.Done && !w.p.All:
			b.Known++
			if deletes[i] && mayDelete {
				b.Delete = append(b.Delete, text)
			}
		case w.p.MaxSize > 0 && m.Size > w.p.MaxSize:
			b.Skip = append(b.Skip, text+" too big")
		case *left <= 0:
			b.Skip = append(b.Skip, text+" over limit")
		default:
			*left--
			if deletes[i] && (w.p.All || mayDelete || !known) {
				text += " then delete"
			}
			if known && !w.p.All {
				text += " has m"
			}
			b.Retrieve = append(b.Retrieve, text)
		}
	}
	b.Gone, b.Back, b.Expire = naiveGone(w, keys)
	return b
}

func naiveGone(w planWorld, keys []state.Key) (gone, back, expire []string) {
	for _, e := range w.put {
		since, was := w.gone[e.Key]
		switch listed := slices.Contains(keys, e.Key); {
		case listed && was:
			back = append(back, keyText(e.Key))
		case !listed && !was:
			gone = append(gone, keyText(e.Key))
		case !listed && noon.Sub(since) >= DefaultForgetAfter:
			expire = append(expire, keyText(e.Key))
		}
	}
	return gone, back, expire
}

// naiveDeletes counts, for each message, the newer ones.
func naiveDeletes(w planWorld, keys []state.Key, entries map[state.Key]state.Entry) []bool {
	k := w.p.Keep
	deletes := make([]bool, len(keys))
	newer := func(i, j int) bool { // is i newer than j
		a, b := entries[keys[i]].FirstSeen, entries[keys[j]].FirstSeen
		switch {
		case a.IsZero() != b.IsZero():
			return a.IsZero()
		case !a.Equal(b):
			return a.After(b)
		}
		return i > j
	}
	total := int64(0)
	for i := range keys {
		rank := 0
		for j := range keys {
			if newer(j, i) {
				rank++
			}
		}
		first := entries[keys[i]].FirstSeen
		old := k.Days > 0 && !first.IsZero() && noon.Sub(first) > time.Duration(k.Days)*24*time.Hour
		deletes[i] = k.None || old || k.Newest > 0 && rank >= k.Newest
		if !deletes[i] {
			total += max(w.list[i].Size, 0)
		}
	}
	for k.Below > 0 && total > k.Below && !k.None {
		oldest := -1
		for i := range keys {
			e, known := entries[keys[i]]
			deletable := known && e.Outcomes[0].Status == state.Delivered &&
				(e.Source == state.Fetched || w.p.TrustImported && e.Source == state.Imported)
			if !deletes[i] && deletable && (oldest < 0 || newer(oldest, i)) {
				oldest = i
			}
		}
		if oldest < 0 {
			break
		}
		deletes[oldest] = true
		total -= max(w.list[oldest].Size, 0)
	}
	return deletes
}

// TestDiffAgainstModel compares Diff with the naive model on random worlds.
func TestDiffAgainstModel(t *testing.T) {
	t.Parallel()
	db := openTestState(t)
	var keys []state.Key
	for seed := range uint64(400) {
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		apply(t, db, &state.Change{Forget: keys, Put: nil})
		keys = nil
		change := &state.Change{Put: w.put}
		for _, e := range w.put {
			keys = append(keys, e.Key)
		}
		apply(t, db, change)
		for k, at := range w.gone {
			apply(t, db, &state.Change{Gone: []state.Key{k}, GoneAt: at})
		}
		plan := diffOf(t, db, w.list, []string{"m"}, w.p, w.l)
		sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if d := cmp.Diff(naive(w), briefOf(&plan), cmpopts.EquateEmpty(), sorted); d != "" {
			t.Fatalf("seed %d, %+v: want -, got +\n%s", seed, w, d)
		}
	}
}

func benchmarkDiff(b *testing.B, known int) {
	db := openTestState(b)
	list := make([]pop3.Message, known)
	for from := 0; from < known; from += 50_000 {
		change := &state.Change{}
		for i := from; i < min(from+50_000, known); i++ {
			uid := fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15)
			list[i] = pop3.Message{Num: i + 1, UID: uid, Size: 8000}
			change.Put = append(change.Put, seen(uid, daysAgo(1)))
		}
		apply(b, db, change)
	}
	list[known-1].UID = "new"
	b.ReportAllocs()
	for b.Loop() {
		if p := diffOf(b, db, list, []string{"m"}, Policy{}, Limits{}); len(p.Retrieve) != 1 || p.Known != known-1 {
			b.Fatalf("%d to retrieve, %d known", len(p.Retrieve), p.Known)
		}
	}
}

func BenchmarkDiff100k(b *testing.B) { benchmarkDiff(b, 100_000) }

func BenchmarkDiff1M(b *testing.B) { benchmarkDiff(b, 1_000_000) }

// TestUnfail: what is forgotten, and what is not.
func TestUnfail(t *testing.T) {
	list := []pop3.Message{{UID: "b", Num: 1}, {UID: "a", Num: 2}, {UID: "b", Num: 3}}
	fail := func(served ...string) []state.Failure { return []state.Failure{{Count: 1, Served: served}} }
	k := Known{Failures: map[state.Key][]state.Failure{
		"a": fail(), "b": fail(), state.NewKey("b", 1): fail(), // listed
		state.NewKey("b", 2): fail(), "c": fail(), "": fail(), // not listed
		"d": fail("x@example.org"), // has recipients that have it
	}}
	got := Diff(list, k, Policy{}, Limits{}, time.Now()).Unfail
	want := []state.Key{"", state.NewKey("b", 2), "c"}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWithinSaved: what a saved plan agreed to is what is left of it in a later
// session, deletions of messages delivered before and since included.
func TestWithinSaved(t *testing.T) {
	t.Parallel()
	item := func(uid string, del bool) Item {
		return Item{Message: pop3.Message{UID: uid}, Key: state.Key(uid), Delete: del}
	}
	agreed := Plan{Retrieve: []Item{item("new", true), item("kept", false)}, Delete: []Item{item("old", true)}}
	saved := agreed.Saved("a", "b", SavedOptions{})
	again := Plan{Retrieve: []Item{item("kept", false), item("since", true)},
		Delete: []Item{item("new", true), item("old", true), item("other", true)}}
	again.Within(&saved)
	if len(again.Retrieve) != 1 || again.Retrieve[0].UID != "kept" || len(again.Delete) != 2 || again.Delete[0].UID != "new" ||
		again.Delete[1].UID != "old" {
		t.Errorf("%+v", again)
	}
}
