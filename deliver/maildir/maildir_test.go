package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	h := harness()
	h.Reader = func(t testing.TB, dir string) { moveToCur(t, inDir(dir)) }
	h.Mutations = []string{"link-unlink"}
	delivertest.Run(t, h)
}

// TestEmptied: another program empties tmp/ between the crash and the recovery.
func TestEmptied(t *testing.T) {
	h := harness()
	h.Reader = func(t testing.TB, dir string) { emptyTmp(t, inDir(dir)) }
	delivertest.Run(t, h)
}

func inDir(dir string) string { return filepath.Join(dir, "Mail", "in") }

func harness() delivertest.Harness {
	return delivertest.Harness{
		Open: func(t testing.TB, dir string) delivertest.Target {
			path := inDir(dir)
			return delivertest.Target{
				Deliverer: New(Options{Path: path}),
				Read:      func(t testing.TB) [][]byte { return readAll(t, path, "new", "cur") },
				Staged:    func(t testing.TB) int { return len(readStaged(t, path)) },
				ByReceipt: func(t testing.TB, receipt string) []byte { return readOne(t, path, receipt) },
			}
		},
		Recover:       Recover,
		InDir:         true,
		Reported:      true,
		StagingMemory: 256 << 10,
	}
}

// readStaged returns the messages in tmp/: all files there but the marks.
func readStaged(t testing.TB, path string) (all [][]byte) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(path, "tmp"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n, ok := parseName(e.Name()); ok && n.number() == 0 {
			continue
		}
		data, err := os.ReadFile(filepath.Join(path, "tmp", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// readAll returns all files of some sub-directories, none if they are missing.
func readAll(t testing.TB, path string, subs ...string) (all [][]byte) {
	t.Helper()
	for _, sub := range subs {
		names, err := filepath.Glob(filepath.Join(path, sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data)
		}
	}
	return all
}

func readOne(t testing.TB, path, receipt string) []byte {
	t.Helper()
	x, err := NewIndex(path)
	must(t, err)
	f, err := x.Open(receipt)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return data
}

// moveToCur does what a mail reader does with new messages.
func moveToCur(t testing.TB, path string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		to := filepath.Join(path, "cur", filepath.Base(name)+":2,FS")
		if err := os.Rename(name, to); err != nil {
			t.Fatal(err)
		}
	}
}

// stage prepares one batch in a fresh Maildir.
func stage(t *testing.T, d *Deliverer, bodies ...string) (deliver.Batch, []deliver.Intent) {
	t.Helper()
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		e := deliver.Envelope{Date: time.Unix(1582977600, 5)}
		if err := b.Add(t.Context(), e, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b, intents
}

// only returns the one name that a pattern below path matches.
func only(t *testing.T, path, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, pattern))
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %q, %v, want one", pattern, names, err)
	}
	return names[0]
}

func TestNamesModesTimes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "M")
	now := time.Unix(1700000000, 0)
	d := New(Options{Path: path, Host: "a/b:c,d", Now: func() time.Time { return now }})
	b, intents := stage(t, d, "12345\n")
	unique := `R[0-9a-f]{16}Q1`
	host := `\.a\\057b\\072c\\054d`
	tmp := only(t, path, stagedFile)
	if want := regexp.MustCompile(`^1700000000\.` + unique + host + `$`); !want.MatchString(filepath.Base(tmp)) {
		t.Errorf("staged as %q, want %v", filepath.Base(tmp), want)
	}
	if results := b.Publish(t.Context()); results[0].Err != nil {
		t.Fatal(results[0].Err)
	}
	file := only(t, path, "new/*")
	if want := regexp.MustCompile(`^1582977600\.` + unique + host + `,S=6$`); !want.MatchString(filepath.Base(file)) {
		t.Errorf("delivered as %q, want %v", filepath.Base(file), want)
	}
	if !strings.HasPrefix(filepath.Base(file), intents[0].Receipt+".") || len(intents[0].Receipt) > 40 {
		t.Errorf("receipt %q of %q", intents[0].Receipt, filepath.Base(file))
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(time.Unix(1582977600, 0)) {
		t.Errorf("mtime %v", info.ModTime())
	}
	if runtime.GOOS == "windows" {
		return
	}
	if info.Mode() != 0o600 {
		t.Errorf("file mode %v", info.Mode())
	}
	for _, sub := range []string{"", "tmp", "new", "cur"} {
		if info, err := os.Stat(filepath.Join(path, sub)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%q: %v, %v", sub, info.Mode(), err)
		}
	}
}

func TestOddDates(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := New(Options{Path: path})
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, date := range []time.Time{{}, time.Unix(-5, 0)} {
		if err := b.Add(t.Context(), deliver.Envelope{Date: date}, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := parseName(intents[0].Receipt); !ok || time.Since(n.date()) > time.Minute {
		t.Errorf("no date: %q", intents[0].Receipt)
	}
	if n, ok := parseName(intents[1].Receipt); !ok || n.seconds != 0 {
		t.Errorf("before 1970: %q", intents[1].Receipt)
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
}

func TestRefusedPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	partly := filepath.Join(dir, "partly")
	if err := os.MkdirAll(partly, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(partly, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below"), partly} {
		_, err := New(Options{Path: path}).Begin(t.Context())
		var failed *deliver.Error
		if !errors.As(err, &failed) || failed.Class != deliver.CannotCreate {
			t.Errorf("%s: got %#v", path, err)
		}
	}
	if _, err := New(Options{}).Begin(t.Context()); err == nil {
		t.Error("no path: no error")
	}
}

func TestLinkedDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "M")
	for _, d := range []string{path, filepath.Join(dir, "elsewhere")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(path, "cur")); err != nil {
		t.Skip(err)
	}
	b, _ := stage(t, New(Options{Path: path}), "x")
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Error(r[0].Err)
	}
}

// TestMaildirVanishes: the volume goes away between two batches.
func TestMaildirVanishes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "M")
	d := New(Options{Path: path})
	b, _ := stage(t, d, "x")
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	var failed *deliver.Error
	if r := b.Publish(t.Context()); !errors.As(r[0].Err, &failed) || !failed.Stops() {
		t.Errorf("publish: got %#v, want one that stops the run", r[0].Err)
	}
	if _, err := d.Begin(t.Context()); !errors.As(err, &failed) || failed.Class != deliver.CannotCreate {
		t.Errorf("begin: got %#v, want CannotCreate", err)
	}
}

// TestCancelledPublish: a done context stops before the next rename, and what
// is left is for Recover.
func TestCancelledPublish(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	b, intents := stage(t, New(Options{Path: path}), "x", "y")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, r := range b.Publish(ctx) {
		var failed *deliver.Error
		if !errors.As(r.Err, &failed) || failed.Class != deliver.Later || !errors.Is(r.Err, context.Canceled) {
			t.Errorf("message %d: got %#v, want Later", i, r.Err)
		}
	}
	if n := len(readAll(t, path, "new")); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
	for _, intent := range intents {
		if fate, err := Recover(t.Context(), intent); err != nil || fate != deliver.Visible {
			t.Errorf("recover: got %d, %v", fate, err)
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	now := time.Unix(1700000000, 0)
	d := New(Options{Path: path, Host: "h", Now: func() time.Time { return now }})
	random := "R0123456789abcdefQ7"
	old := fmt.Sprint(now.Add(-37 * time.Hour).Unix())
	young := fmt.Sprint(now.Add(-35 * time.Hour).Unix())
	future := fmt.Sprint(now.Add(99 * time.Hour).Unix())
	want := []string{
		future + "." + random + ".h", old + "." + random + ".other", old + ".M1P2.h", young + "." + random + ".h",
	}
	if err := os.Mkdir(filepath.Join(path, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{old + "." + random + ".h"}, want...) {
		if err := os.WriteFile(filepath.Join(path, "tmp", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(path, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(sorted(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestQuotaFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	quota := filepath.Join(path, "maildirsize")
	d := New(Options{Path: path})
	b, _ := stage(t, d, "x")
	b.Publish(t.Context())
	if _, err := os.Stat(quota); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a quota file was made")
	}
	if err := os.WriteFile(quota, []byte("1000S\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ = stage(t, d, "12345", "67")
	b.Publish(t.Context())
	_, intents := stage(t, d, "123")
	if fate, err := Recover(context.Background(), intents[0]); fate != deliver.Visible || err != nil {
		t.Fatal(fate, err)
	}
	got, err := os.ReadFile(quota)
	if err != nil || string(got) != "1000S\n7 2\n3 1\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
