package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stagedFile matches the first message of a Deliverer in tmp/, not its marks.
const stagedFile = "tmp/*Q1.*"

// TestRecover walks the answers that Recover promises.
func TestRecover(t *testing.T) {
	t.Parallel()
	publish := func(t *testing.T, path string) {
		tmp := only(t, path, stagedFile)
		in, err := decodeIntent(currentIntent(t, path).Data)
		must(t, err)
		must(t, os.Rename(tmp, filepath.Join(path, "new", in.new)))
		m := openMarks(filepath.Join(path, "tmp", in.marks()))
		m.set(1)
		must(t, m.close())
	}
	sweptAway := func(t *testing.T, path string) { must(t, os.Remove(only(t, path, stagedFile))) }
	otherMaildir := func(t *testing.T, path string) {
		must(t, os.Rename(path, path+".away"))
		for _, sub := range []string{"tmp", "new", "cur"} {
			must(t, os.MkdirAll(filepath.Join(path, sub), 0o700))
		}
	}
	cases := []struct {
		name    string
		between func(t *testing.T, path string)
		age     time.Duration
		want    deliver.Fate
		fails   error
		visible int
	}{
		{"not published", func(*testing.T, string) {}, 0, deliver.Visible, nil, 1},
		{"not published, old", func(*testing.T, string) {}, 40 * time.Hour, deliver.Visible, nil, 1},
		{"published", publish, 0, deliver.Visible, nil, 1},
		{"published, old", publish, 40 * time.Hour, deliver.Visible, nil, 1},
		{"published and read, old", func(t *testing.T, path string) { publish(t, path); moveToCur(t, path) }, 40 * time.Hour,
			deliver.Visible, nil, 1},
		{"published and deleted", func(t *testing.T, path string) {
			publish(t, path)
			must(t,
				os.Remove(only(t, path, "new/*")))
		}, 0, deliver.Visible, nil, 0},
		{"published and deleted, old", func(t *testing.T, path string) {
			publish(t, path)
			must(t,
				os.Remove(only(t, path, "new/*")))
		}, 40 * time.Hour, deliver.Absent, nil, 0},
		{"swept, old", sweptAway, 40 * time.Hour, deliver.Absent, nil, 0},
		{"swept", sweptAway, 0, deliver.Absent, nil, 0},
		{"emptied", func(t *testing.T, path string) { emptyTmp(t, path) }, 0, deliver.Absent, nil, 0},
		{"published, then emptied", func(t *testing.T, path string) { publish(t, path); moveToCur(t, path); emptyTmp(t, path) },
			0, deliver.Visible, nil, 1},
		{"linked", func(t *testing.T, path string) {
			tmp := only(t, path, stagedFile)
			publish(t, path)
			must(t, os.Link(only(t, path, "new/*"), tmp))
		}, 0, deliver.Visible, nil, 1},
		{"not mounted", func(t *testing.T, path string) { must(t, os.Rename(path, path+".away")) }, 0, deliver.Unknown, fs.ErrNotExist, 0},
		{"no new", func(t *testing.T, path string) { must(t, os.Remove(filepath.Join(path, "new"))) }, 0, deliver.Unknown,
			fs.ErrNotExist, 0},
		{"another Maildir in its place", otherMaildir, 0, deliver.Absent, nil, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "M")
			_, intents := stage(t, New(Options{Path: path}), "x\n")
			must(t, os.WriteFile(path+".intent", intents[0].Data, 0o600))
			c.between(t, path)
			for range 2 {
				fate, err := recoverAt(t.Context(), intents[0], time.Now().Add(c.age))
				if fate != c.want || !errors.Is(err, c.fails) {
					t.Errorf("got %d, %v, want %d, %v", fate, err, c.want, c.fails)
				}
				var failed *Error
				if c.fails != nil && (!errors.As(err, &failed) || !failed.Recovering) {
					t.Errorf("%#v", err)
				}
			}
			if got := len(readAll(t, path, "new", "cur")); got != c.visible {
				t.Errorf("%d messages are visible, want %d", got, c.visible)
			}
		})
	}
}

// TestRecoverReadElsewhere: what Publish has published counts as delivered, though
// a mail reader has moved it to another folder before the recovery.
func TestRecoverReadElsewhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "M")
	b, intents := stage(t, New(Options{Path: path}), "one\n", "two\n")
	b.Publish(t.Context())
	for _, name := range []string{"new/*Q1.*", "new/*Q2.*"} {
		must(t, os.Remove(only(t, path, name)))
	}
	for i := range intents {
		if fate, err := Recover(t.Context(), intents[i]); fate != deliver.Visible || err != nil {
			t.Errorf("message %d: %d, %v, want Visible", i, fate, err)
		}
	}
}

// TestSweepEndedRuns: what a run of our own maildrop left goes as soon as its
// process has ended; other maildrops' files may have intents.
func TestSweepEndedRuns(t *testing.T) {
	// Not beside tests that start processes: a child has the locks of all files for a moment.
	path := filepath.Join(t.TempDir(), "M")
	left := func(owner string) *Deliverer {
		d := New(Options{Path: path})
		d.Resume(deliver.Past{Owner: owner})
		stage(t, d, "left\n")
		return d
	}
	dead, alive, other := left("mine"), left("mine"), left("other")
	must(t, dead.marks.Close()) // as when its process is killed
	must(t, other.marks.Close())
	d := New(Options{Path: path})
	d.Resume(deliver.Past{Owner: "mine"})
	_, err := d.Begin(t.Context())
	must(t, err)
	for d, want := range map[*Deliverer]int{dead: 0, alive: 2, other: 2} {
		names, err := filepath.Glob(filepath.Join(path, "tmp", "*"+d.random+"*"))
		if err != nil || len(names) != want {
			t.Errorf("%d files are left of %q, want %d", len(names), d.past.Owner, want)
		}
	}
	must(t, alive.Close())
}

// currentIntent reads the intent that the test put next to the Maildir.
func currentIntent(t *testing.T, path string) deliver.Intent {
	t.Helper()
	data, err := os.ReadFile(path + ".intent")
	must(t, err)
	return deliver.Intent{Kind: Kind, Data: data}
}

func TestDamagedIntents(t *testing.T) {
	t.Parallel()
	good := intent{path: t.TempDir(), tmp: "1.R0123456789abcdefQ1.h", new: "1.R0123456789abcdefQ1.h,S=1", inode: 7}
	if got, err := decodeIntent(good.encode()); err != nil || got != good {
		t.Fatalf("got %v, %v, want %v", got, err, good)
	}
	bad := []intent{good, good, good, good}
	bad[0].path = "relative"
	bad[1].tmp = "../" + good.tmp
	bad[2].new = "/" + good.new
	bad[3].tmp = "x"
	data := [][]byte{nil, []byte("maildir1"), []byte("maildir2\x00/a\x00b\x00c\x001"), append(good.encode(), 'x')}
	for _, i := range bad {
		data = append(data, i.encode())
	}
	for _, d := range data {
		if fate, err := Recover(t.Context(), deliver.Intent{Kind: Kind, Data: d}); err == nil || fate != deliver.Unknown {
			t.Errorf("%q: got %d, %v", d, fate, err)
		}
	}
}

func emptyTmp(t testing.TB, path string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, "tmp", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecoverElsewhen walks the answers in another epoch: another boot, another
// mount, or an intent that an older version wrote and that does not say.
func TestRecoverElsewhen(t *testing.T) {
	t.Parallel()
	otherBoot := func(i *intent) []byte { i.epoch = "0123456789abcdef"; return i.encode() }
	unknown := func(i *intent) []byte { i.epoch = ""; return i.encode() }
	oldIntent := func(i *intent) []byte {
		return []byte(strings.Join([]string{oldVersion, i.path, i.tmp, i.new, fmt.Sprint(i.inode)}, "\x00"))
	}
	// lose leaves of the rename from tmp to new what a power loss may.
	lose := func(tmp, new bool, then func(testing.TB, string)) func(*testing.T, string, intent) {
		return func(t *testing.T, path string, in intent) {
			from, to := filepath.Join(path, "tmp", in.tmp), filepath.Join(path, "new", in.new)
			must(t, os.Link(from, to))
			if tmp {
				must(t, os.Remove(from))
			}
			if new {
				must(t, os.Remove(to))
			}
			then(t, path)
		}
	}
	nothing := func(testing.TB, string) {}
	states := []struct {
		name    string
		lose    func(*testing.T, string, intent)
		want    deliver.Fate
		visible int
	}{
		{"new entry missing", lose(false, true, nothing), deliver.Visible, 1},
		{"old entry missing", lose(true, false, nothing), deliver.Visible, 1},
		{"old entry missing, read", lose(true, false, moveToCur), deliver.Visible, 1},
		{"both there", lose(false, false, nothing), deliver.Visible, 1},
		{"both there, read", lose(false, false, moveToCur), deliver.Visible, 1},
		{"both missing", lose(true, true, nothing), deliver.Absent, 0},
		{"tmp emptied", lose(false, true, emptyTmp), deliver.Absent, 0},
	}
	for kind, encode := range map[string]func(*intent) []byte{"boot": otherBoot, "unknown": unknown, "old": oldIntent} {
		for _, s := range states {
			t.Run(kind+"/"+s.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "M")
				b, intents := stage(t, New(Options{Path: path}), "x\n")
				m := openMarks(b.(*batch).marks)
				m.set(1) // of another epoch: proves nothing
				must(t, m.close())
				in, err := decodeIntent(intents[0].Data)
				must(t, err)
				s.lose(t, path, in)
				left := deliver.Intent{Kind: Kind, Data: encode(&in)}
				for range 2 {
					if fate, err := Recover(t.Context(), left); fate != s.want || err != nil {
						t.Errorf("got %d, %v, want %d", fate, err, s.want)
					}
				}
				if got := len(readAll(t, path, "new", "cur")); got != s.visible {
					t.Errorf("%d messages are visible, want %d", got, s.visible)
				}
				if got := len(readStaged(t, path)); got != 0 {
					t.Errorf("%d are staged still", got)
				}
			})
		}
	}
}
