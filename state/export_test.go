package state

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestExportGolden(t *testing.T) {
	db := openTest(t)
	apply(t, db, &Change{Put: []Entry{
		{Key: "u1", Size: 10, SHA256: [32]byte{0xab}, Fingerprint: Fingerprint{0xcd}, FirstSeen: at(1), Done: true,
			Outcomes: []Outcome{{Target: "maildir:~/M", Receipt: "new/1", At: at(2)}}, Verified: at(3), Deleted: at(4)},
		{Key: NewKey("u1", 1), Size: -1, Source: Marked},
		{Key: "<\xff>", Size: -1, Source: Imported, Done: true},
	}, Gone: []Key{"u1"}, GoneAt: at(5)})
	want := `{"uid_base64":"PP8+","source":"imported","done":true}
{"uid":"u1","size":10,"sha256":"ab00000000000000000000000000000000000000000000000000000000000000",` +
		`"fingerprint":"cd000000000000000000000000000000","first_seen":"2026-03-01T12:00:01Z","source":"fetched","done":true,` +
		`"outcomes":[{"target":"maildir:~/M","status":"delivered","receipt":"new/1","at":"2026-03-01T12:00:02Z"}],` +
		`"verified":"2026-03-01T12:00:03Z","deleted":"2026-03-01T12:00:04Z","gone":"2026-03-01T12:00:05Z"}
{"uid":"u1","nth":1,"source":"marked","done":false}
`
	var b bytes.Buffer
	view(t, db, func(v *View) {
		if err := v.Export(&b); err != nil {
			t.Error(err)
		}
		if err := v.Export(failingWriter{}); !errors.Is(err, errWrite) {
			t.Errorf("a failed write: %v", err)
		}
	})
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	e, _ := get(t, db, NewKey("u1", 1))
	if text, err := e.JSON(); err != nil || string(text) != `{"uid":"u1","nth":1,"source":"marked","done":false}` {
		t.Errorf("%s %v", text, err)
	}
}

var errWrite = errors.New("no space")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errWrite }

func TestExportImportRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	db, want := openTest(t), map[Key]Entry{}
	var c Change
	for range 300 {
		e := randomEntry(rnd)
		c.Put = append(c.Put, e)
		want[e.Key] = e
	}
	apply(t, db, &c)
	var b bytes.Buffer
	view(t, db, func(v *View) {
		if err := v.Export(&b); err != nil {
			t.Fatal(err)
		}
	})
	got := map[Key]Entry{}
	for e, err := range Import(iotest.OneByteReader(&b)) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Key] = e.Entry
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestImportErrors(t *testing.T) {
	for in, want := range map[string]string{
		"{\"uid\":\"a\"}\n\n{":                       "line 3: ",
		"{}":                                         "line 1: no uid",
		`{"uid":""}`:                                 "line 1: no uid",
		`{"uid":"a","nth":-1}`:                       "nth is -1",
		`{"uid":"a","sha256":"ab"}`:                  "want 64 hex digits",
		`{"uid":"a","fingerprint":"zz"}`:             "want 32 hex digits",
		`{"uid":"a","source":"stolen"}`:              `no such source: "stolen"`,
		`{"uid":"a","outcomes":[{"status":"lost"}]}`: `no such status: "lost"`,
		`{"uid":"a","first_seen":"yesterday"}`:       "line 1: ",
		"[]":                                         "line 1: ",
		`{"uid":"` + strings.Repeat("a", maxLine) + `"}`: "line 1: bufio.Scanner: token too long",
	} {
		var last error
		n := 0
		for _, err := range Import(strings.NewReader(in)) {
			if n++; last != nil {
				t.Errorf("%.60s: it went on after the error", in)
			}
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%.60s: %v, want %s", in, last, want)
		}
	}
	boom := errors.New("boom")
	for _, err := range Import(iotest.ErrReader(boom)) {
		if !errors.Is(err, boom) {
			t.Errorf("%v", err)
		}
	}
}

func TestImportDefaults(t *testing.T) {
	for e, err := range Import(strings.NewReader(`{"uid":"a","later_field":1}`)) {
		want := Entry{Key: "a", Size: -1, Source: Imported, Done: true}
		if err != nil || !cmp.Equal(want, e.Entry) {
			t.Errorf("%v %s", err, cmp.Diff(want, e.Entry))
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"uid":"a","nth":1,"size":3,"outcomes":[{"target":"t","status":"skipped"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range Import(bytes.NewReader(b)) {
			if err != nil {
				return
			}
			var n numbering
			v, err := appendEntry(nil, &e.Entry, n.number)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodeEntry(e.Key, v, n.name); err != nil {
				t.Fatal(err)
			}
		}
	})
}
