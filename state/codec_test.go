package state

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbering stands in for the bucket targets.
type numbering struct{ targets }

func (n *numbering) number(t string) (uint64, error) {
	for i, have := range n.names {
		if have == t {
			return uint64(i + 1), nil
		}
	}
	n.names = append(n.names, t)
	return uint64(len(n.names)), nil
}

func typicalEntry(i int) Entry {
	e := Entry{Key: Key(fmt.Sprintf("%010d%010d", 1700000000, i)), Size: 8000 + int64(i%5000), FirstSeen: at(i % 60), Done: true,
		Outcomes: []Outcome{{Target: "maildir:~/Mail", Receipt: fmt.Sprintf("%014x", i*7919), At: at(i%60 + 2)}}}
	for j := range e.SHA256 {
		e.SHA256[j] = byte(i*31 + j + 1)
	}
	copy(e.Fingerprint[:], e.SHA256[7:])
	return e
}

func TestEntrySize(t *testing.T) {
	e, n := typicalEntry(1), numbering{}
	b, err := appendEntry(nil, &e, n.number)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 90 {
		t.Errorf("a typical entry takes %d bytes, want at most 90", len(b))
	}
	t.Logf("typical value: %d bytes", len(b))
}

func TestEntryRoundTrip(t *testing.T) {
	old := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, e := range map[string]Entry{
		"zero":        {Key: "k"},
		"typical":     typicalEntry(3),
		"unknown":     {Key: "k", Size: -1, Source: Imported},
		"large":       {Key: "k", Size: math.MaxInt64 - 1, Source: Marked, Done: true},
		"before 2020": {Key: "k", FirstSeen: old, Verified: at(0), Deleted: old.Add(-time.Hour)},
		"no first":    {Key: "k", Verified: at(0), Outcomes: []Outcome{{Target: "t"}}},
		"far future":  {Key: "k", FirstSeen: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Deleted: old},
		"content":     {Key: "k", Content: [32]byte{1}},
		"by header":   {Key: "k", ByHeader: true, SHA256: [32]byte{3}, Outcomes: []Outcome{{Target: "t"}}},
		"asked":       {Key: "k", Asked: true, Deleted: at(3)},
		"both":        {Key: "k", ByHeader: true, Content: [32]byte{31: 2}, Verified: at(0)},
		"two": {Key: "k", Outcomes: []Outcome{{Target: "a", Status: Skipped},
			{Target: "b", Status: Quarantined, Receipt: "x\x00\xff", At: old}}},
	} {
		t.Run(name, func(t *testing.T) {
			var n numbering
			b, err := appendEntry(nil, &e, n.number)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeEntry(e.Key, b, n.name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Error(diff)
			}
			for i := range b { // no prefix of an encoding is one
				if _, err := decodeEntry("k", b[:i], n.name); err == nil {
					t.Errorf("the first %d of %d bytes are taken for an entry", i, len(b))
				}
			}
			if _, err := decodeEntry("k", append(b, 0), n.name); err == nil {
				t.Error("a trailing byte was accepted")
			}
		})
	}
}

func TestDamagedRecordAllowsNothing(t *testing.T) {
	for _, r := range []Record{nil, {}, {flagMore | flagDone}, {flagDone | flagMore, 0, 0, 0}, {flagDone | flagMore, moreUnknown, 0, 0}} {
		if r.Done() {
			t.Errorf("% x is done", []byte(r))
		}
		if !r.FirstSeen().IsZero() {
			t.Errorf("% x: first seen %v", []byte(r), r.FirstSeen())
		}
		if e, err := decodeEntry("k", r, (&targets{}).name); err == nil || e.Done || e.Source != Imported || e.Size != -1 {
			t.Errorf("% x: %+v %v", []byte(r), e, err)
		}
	}
}

func FuzzEntry(f *testing.F) {
	e, n := typicalEntry(1), numbering{}
	b, _ := appendEntry(nil, &e, n.number)
	f.Add(b)
	f.Add([]byte{0x60, 0, 1, 5, 0, 1, 8, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := numbering{targets{names: []string{"a", "b"}}}
		r := Record(b)
		_, _, _, _ = r.Done(), r.Source(), r.FirstSeen(), r.WasAsked()
		e, err := decodeEntry("k", b, n.name)
		if err != nil {
			return
		}
		again, err := appendEntry(nil, &e, n.number)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry("k", again, n.name)
		if err != nil || !cmp.Equal(e, got) {
			t.Fatalf("%v %s", err, cmp.Diff(e, got))
		}
	})
}

func FuzzIntent(f *testing.F) {
	i := intent("u", "a")
	f.Add(encodeIntent(&i, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := numbering{targets{names: []string{"a", "b"}}}
		id := bytes.Repeat([]byte{1}, 8)
		i, err := decodeIntent(id, b, n.name)
		if err != nil {
			return
		}
		num, _ := n.number(i.Target)
		got, err := decodeIntent(id, encodeIntent(&i, num), n.name)
		if err != nil || !cmp.Equal(i, got) {
			t.Fatalf("%v %s", err, cmp.Diff(i, got))
		}
	})
}
