package state

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STATE_TEST_HOLD"); path != "" {
		os.Exit(hold(path))
	}
	goleak.VerifyTestMain(m)
}

func openTest(t testing.TB) *DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "dir", "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func apply(t testing.TB, db *DB, c *Change) {
	t.Helper()
	if err := db.Apply(c); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *DB, fn func(v *View)) {
	t.Helper()
	if err := db.View(func(v *View) error { fn(v); return nil }); err != nil {
		t.Fatal(err)
	}
}

func at(sec int) time.Time { return time.Date(2026, 3, 1, 12, 0, sec, 0, time.UTC) }

func intent(uid, target string) Intent {
	return Intent{Key: NewKey(uid, 0), Target: target, Size: 1234, SHA256: [32]byte{1, 2}, Fingerprint: Fingerprint{9},
		At: at(1), Kind: "maildir", Data: []byte("tmp/1"), Receipt: "new/1"}
}

func get(t testing.TB, db *DB, k Key) (e Entry, ok bool) {
	t.Helper()
	view(t, db, func(v *View) { e, ok = v.Get(k) })
	return e, ok
}

func TestSettle(t *testing.T) {
	db := openTest(t)
	both := []string{"a", "b"}
	c := &Change{Targets: both, Intend: []Intent{intent("u1", "a"), intent("u1", "b"), intent("u2", "a")},
		Fail: []Failure{{Key: "u1", Count: 1, First: at(0)}}}
	apply(t, db, c)
	want := append([]Intent(nil), c.Intend...)
	for i := range want {
		if want[i].ID == 0 {
			t.Fatal("intent without an ID")
		}
	}
	view(t, db, func(v *View) {
		got, err := v.Intents()
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("intents: %v %s", err, cmp.Diff(want, got))
		}
		if v.Len() != 0 {
			t.Errorf("an intent counts as an entry")
		}
	})
	apply(t, db, &Change{Targets: both, Settle: []Settlement{{Intent: want[0].ID}, {Intent: want[2].ID, Drop: true}}})
	if e, ok := get(t, db, "u1"); !ok || e.Done {
		t.Errorf("one target of two: %+v %v", e, ok)
	}
	if _, ok := get(t, db, "u2"); ok {
		t.Errorf("a dropped intent left an entry")
	}
	apply(t, db, &Change{Targets: both, Settle: []Settlement{{Intent: want[1].ID, Status: Quarantined, Receipt: "q/1"}}})
	e, _ := get(t, db, "u1")
	if diff := cmp.Diff(Entry{Key: "u1", Size: 1234, SHA256: [32]byte{1, 2}, Fingerprint: Fingerprint{9}, FirstSeen: at(0),
		Done: true, Outcomes: []Outcome{{Target: "a", Receipt: "new/1", At: at(1)},
			{Target: "b", Status: Quarantined, Receipt: "q/1", At: at(1)}}}, e); diff != "" {
		t.Error(diff)
	}
	view(t, db, func(v *View) {
		if left, err := v.Intents(); err != nil || len(left) != 0 || len(v.Failures()) != 0 || v.Len() != 1 {
			t.Errorf("left: %v %v %v, %d", left, err, v.Failures(), v.Len())
		}
	})
}

func TestSettleWithoutTargetsIsNotDone(t *testing.T) {
	db := openTest(t)
	c := &Change{Intend: []Intent{intent("u", "a")}}
	apply(t, db, c)
	apply(t, db, &Change{Settle: []Settlement{{Intent: c.Intend[0].ID}}})
	if e, ok := get(t, db, "u"); !ok || e.Done {
		t.Errorf("%+v %v", e, ok)
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	for name, c := range map[string]*Change{
		"unknown intent": {Settle: []Settlement{{Intent: 99}}},
		"empty key":      {Put: []Entry{{Key: "good", Done: true}, {Key: ""}}},
		"long key":       {Put: []Entry{{Key: "good", Done: true}, {Key: Key(make([]byte, 40000))}}},
		"status":         {Put: []Entry{{Key: "good", Outcomes: []Outcome{{Target: "x", Status: 3}}}}},
		"source":         {Put: []Entry{{Key: "good", Source: 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			db := openTest(t)
			apply(t, db, &Change{Put: []Entry{{Key: "old", Done: true}}})
			c.Facts, c.Intend = &Facts{NoTop: true}, []Intent{intent("n", "t")}
			if err := db.Apply(c); err == nil {
				t.Fatal("no error")
			}
			view(t, db, func(v *View) {
				in, err := v.Intents()
				if v.Len() != 1 || v.Facts().NoTop || len(in) != 0 || err != nil || len(v.Targets()) != 0 || c.Intend[0].ID != 0 {
					t.Errorf("traces: %d %v %v %v", v.Len(), v.Facts(), in, v.Targets())
				}
			})
		})
	}
}

func TestEmptyChangeDoesNotTouchTheDisk(t *testing.T) {
	db := openTest(t)
	before, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	apply(t, db, &Change{Targets: []string{"a"}, GoneAt: at(0), DeletedAt: at(0)})
	after, err := os.ReadFile(db.Path())
	if err != nil || string(before) != string(after) {
		t.Errorf("the file changed: %v", err)
	}
	apply(t, db, &Change{Run: &Run{}})
	if after, _ = os.ReadFile(db.Path()); string(before) == string(after) {
		t.Error("a run left no trace")
	}
}

func TestGoneBackDeletedForget(t *testing.T) {
	db := openTest(t)
	apply(t, db, &Change{Put: []Entry{{Key: "a", Done: true}, {Key: "b", Done: true}}, Facts: &Facts{LastPoll: at(9)}})
	apply(t, db, &Change{Gone: []Key{"a", "unknown"}, GoneAt: at(3)})
	apply(t, db, &Change{Gone: []Key{"a"}, GoneAt: at(5), Deleted: []Key{"a", "unknown"}, DeletedAt: at(4)})
	view(t, db, func(v *View) {
		if diff := cmp.Diff(map[Key]time.Time{"a": at(3)}, v.Gone()); diff != "" {
			t.Error(diff)
		}
		if e, _ := v.Get("a"); !e.Deleted.Equal(at(4)) || !e.Done {
			t.Errorf("%+v", e)
		}
		if v.Len() != 2 {
			t.Errorf("%d entries", v.Len())
		}
	})
	apply(t, db, &Change{Back: []Key{"a"}})
	view(t, db, func(v *View) {
		if len(v.Gone()) != 0 {
			t.Error("still gone")
		}
	})
	apply(t, db, &Change{Gone: []Key{"a"}, Fail: []Failure{{Key: "a"}}})
	apply(t, db, &Change{Forget: []Key{"a", "a", "unknown"}})
	view(t, db, func(v *View) {
		if _, ok := v.Get("a"); ok || v.Len() != 1 || len(v.Gone()) != 0 || len(v.Failures()) != 0 {
			t.Errorf("not forgotten: %d %v %v", v.Len(), v.Gone(), v.Failures())
		}
	})
}

// TestAskedUntilAnswered: a confirmed deletion, and a delivery, answer what was
// asked; nothing else of the entry changes.
func TestAskedUntilAnswered(t *testing.T) {
	for _, e := range []Entry{
		{Key: "a", Done: true},
		{Key: "a", Done: true, Content: [32]byte{5}, FirstSeen: at(1), Outcomes: []Outcome{{Target: "t", Receipt: "x", At: at(2)}}},
		{Key: "a", Done: true, ByHeader: true, Verified: at(3), Deleted: at(4), SHA256: [32]byte{6}},
	} {
		db := openTest(t)
		is := func(want Entry) {
			t.Helper()
			view(t, db, func(v *View) {
				if got, _ := v.Get("a"); !cmp.Equal(want, got) || v.Len() != 1 || v.Record("a").WasAsked() != want.Asked {
					t.Error(cmp.Diff(want, got))
				}
			})
		}
		apply(t, db, &Change{Put: []Entry{e}})
		apply(t, db, &Change{Asked: []Key{"a", "unknown"}})
		e.Asked = true
		is(e)
		apply(t, db, &Change{Deleted: []Key{"a"}, DeletedAt: at(9)})
		e.Asked, e.Deleted = false, at(9)
		is(e)
		apply(t, db, &Change{Asked: []Key{"a"}})
		in := intent("a", "t")
		apply(t, db, &Change{Intend: []Intent{in}})
		apply(t, db, &Change{Settle: []Settlement{{Intent: 1}}})
		view(t, db, func(v *View) {
			if got, _ := v.Get("a"); got.Asked || !got.Deleted.IsZero() {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDigestIsResetWhenItMayBeUntrue(t *testing.T) {
	list := ListDigest{Count: 7, Sum: Sum{1}}
	for _, tt := range []struct {
		name string
		c    Change
		keep bool
	}{
		{"forget", Change{Forget: []Key{"a"}}, false},
		{"deleted", Change{Deleted: []Key{"a"}}, false},
		{"asked", Change{Asked: []Key{"a"}}, false},
		{"put incomplete", Change{Put: []Entry{{Key: "b"}}}, false},
		{"set and forget", Change{Forget: []Key{"a"}, Facts: &Facts{NoTop: true, List: list}}, false},
		{"put done", Change{Put: []Entry{{Key: "b", Done: true}}}, true},
		{"run", Change{Run: &Run{}}, true},
		{"gone", Change{Gone: []Key{"a"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := openTest(t)
			apply(t, db, &Change{Put: []Entry{{Key: "a", Done: true}}, Facts: &Facts{NoTop: true, List: list}})
			apply(t, db, &tt.c)
			view(t, db, func(v *View) {
				if f := v.Facts(); (f.List == list) != tt.keep || !f.NoTop {
					t.Errorf("facts: %+v", f)
				}
			})
		})
	}
}

func TestRunsBudgetFactsFailures(t *testing.T) {
	db := openTest(t)
	for i := range 60 {
		apply(t, db, &Change{Run: &Run{Fetched: i, Exit: i % 2}, Budget: map[string]int64{fmt.Sprintf("2026-01-%02d", 1+i/10): 5}})
	}
	f := Failure{Key: "\xff\x00u", Target: "t", Count: 2, First: at(1), Last: at(2), Next: at(3), Permanent: true, Err: "no"}
	facts := Facts{NoPipelining: true, UTF8: true, Window: 250, LoginDelay: 300 * time.Second, LastLogin: at(1), AuthName: "PLAIN",
		List: ListDigest{Count: 1, Sum: Sum{0xab}}, Extra: map[string]string{"a": "b"}}
	apply(t, db, &Change{Fail: []Failure{f, {Key: "x"}}, Facts: &facts})
	apply(t, db, &Change{Unfail: []Key{"x"}})
	view(t, db, func(v *View) {
		runs := v.Runs()
		if len(runs) != 50 || runs[0].Fetched != 10 || runs[49].Fetched != 59 {
			t.Errorf("runs: %d", len(runs))
		}
		if r, ok := v.LastSuccess(); !ok || r.Fetched != 58 {
			t.Errorf("last success: %+v %v", r, ok)
		}
		for day, want := range map[string]int64{"2026-01-03": 0, "2026-01-04": 50, "2026-01-06": 50} {
			if got := v.Budget(day); got != want {
				t.Errorf("%s: %d, want %d", day, got, want)
			}
		}
		if diff := cmp.Diff(map[Key][]Failure{f.Key: {f}}, v.Failures()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(facts, v.Facts()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestModel applies random changes and compares with a map.
func TestModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	db := openTest(t)
	model := map[Key]Entry{}
	for range 60 {
		c := &Change{}
		for range rnd.IntN(80) {
			e := randomEntry(rnd)
			if _, ok := model[e.Key]; ok && rnd.IntN(2) == 0 {
				c.Forget = append(c.Forget, e.Key)
			} else {
				c.Put = append(c.Put, e)
			}
		}
		apply(t, db, c)
		for _, e := range c.Put {
			model[e.Key] = e
		}
		for _, k := range c.Forget {
			delete(model, k)
		}
	}
	path := db.Path()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	view(t, db, func(v *View) {
		got, last := map[Key]Entry{}, ""
		for k, r := range v.Records() {
			if string(k) <= last {
				t.Fatalf("%q after %q", k, last)
			}
			last = string(k)
			e := v.Entry(k, r)
			if r.Done() != e.Done || r.Source() != e.Source || !r.FirstSeen().Equal(e.FirstSeen) ||
				r.WasDeleted() == e.Deleted.IsZero() || r.WasAsked() != e.Asked {
				t.Fatalf("record of %q differs from its entry", k)
			}
			got[e.Key] = e
		}
		if diff := cmp.Diff(model, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if v.Len() != len(model) {
			t.Errorf("len %d, want %d", v.Len(), len(model))
		}
	})
}

func randomEntry(rnd *rand.Rand) Entry {
	e := Entry{Key: NewKey(fmt.Sprintf("u%03d", rnd.IntN(900)), rnd.IntN(2)), Size: rnd.Int64N(1<<20) - 1,
		Source: Source(rnd.IntN(3)), Done: rnd.IntN(4) > 0, Asked: rnd.IntN(4) == 0}
	if rnd.IntN(2) == 0 {
		e.SHA256[rnd.IntN(32)], e.Fingerprint[3] = 1, 2
	}
	if rnd.IntN(3) > 0 {
		e.FirstSeen = at(rnd.IntN(1000) - 500)
	}
	if rnd.IntN(3) == 0 {
		e.Verified, e.Deleted = at(rnd.IntN(1000)), at(-rnd.IntN(1000))
	}
	for i := range rnd.IntN(3) {
		e.Outcomes = append(e.Outcomes, Outcome{Target: fmt.Sprint("t", i), Status: Status(rnd.IntN(3)),
			Receipt: hex.EncodeToString(make([]byte, rnd.IntN(30))), At: at(i)})
	}
	return e
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if db, err = Open(path, Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Apply(&Change{Run: &Run{}}); err == nil {
		t.Error("a read-only file was changed")
	}
}

// TestBudgetOfTheFuture: days that were counted under a clock that was ahead do
// not push the right ones out.
func TestBudgetOfTheFuture(t *testing.T) {
	db := openTest(t)
	for _, day := range []string{"2036-01-01", "2036-01-02", "2036-01-03", "2026-11-29", "2026-11-29"} {
		apply(t, db, &Change{Budget: map[string]int64{day: 5}})
	}
	view(t, db, func(v *View) {
		if got := v.Budget("2026-11-29"); got != 10 {
			t.Errorf("%d bytes today, want 10", got)
		}
	})
}
