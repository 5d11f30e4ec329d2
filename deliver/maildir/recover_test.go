package maildir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRecover walks the answers that Recover promises.
func TestRecover(t *testing.T) {
	publish := func(t *testing.T, path string) {
		tmp := only(t, path, "tmp/*")
		in, err := decodeIntent(currentIntent(t, path).Data)
		must(t, err)
		must(t, os.Rename(tmp, filepath.Join(path, "new", in.new)))
	}
	sweptAway := func(t *testing.T, path string) { must(t, os.Remove(only(t, path, "tmp/*"))) }
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
		{"published and read, old", func(t *testing.T, path string) { publish(t, path); moveToCur(t, path) }, 40 * time.Hour, deliver.Visible, nil, 1},
		{"published and deleted", func(t *testing.T, path string) { publish(t, path); must(t, os.Remove(only(t, path, "new/*"))) }, 0, deliver.Visible, nil, 0},
		{"published and deleted, old", func(t *testing.T, path string) { publish(t, path); must(t, os.Remove(only(t, path, "new/*"))) }, 40 * time.Hour, deliver.Absent, nil, 0},
		{"swept, old", sweptAway, 40 * time.Hour, deliver.Absent, nil, 0},
		{"linked", func(t *testing.T, path string) {
			tmp := only(t, path, "tmp/*")
			publish(t, path)
			must(t, os.Link(only(t, path, "new/*"), tmp))
		}, 0, deliver.Visible, nil, 1},
		{"not mounted", func(t *testing.T, path string) { must(t, os.Rename(path, path+".away")) }, 0, deliver.Unknown, fs.ErrNotExist, 0},
		{"no new", func(t *testing.T, path string) { must(t, os.Remove(filepath.Join(path, "new"))) }, 0, deliver.Unknown, fs.ErrNotExist, 0},
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
				var failed *deliver.Error
				if c.fails != nil && (!errors.As(err, &failed) || failed.Hint == "") {
					t.Errorf("no hint: %v", err)
				}
			}
			if got := len(readAll(t, path, "new", "cur")); got != c.visible {
				t.Errorf("%d messages are visible, want %d", got, c.visible)
			}
		})
	}
}

// currentIntent reads the intent that the test put beside the Maildir.
func currentIntent(t *testing.T, path string) deliver.Intent {
	t.Helper()
	data, err := os.ReadFile(path + ".intent")
	must(t, err)
	return deliver.Intent{Kind: Kind, Data: data}
}

func TestDamagedIntents(t *testing.T) {
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
