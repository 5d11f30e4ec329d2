package mbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

func wantClass(t *testing.T, err error, class deliver.Class, text string) {
	t.Helper()
	var e *deliver.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want class %d and %q", err, class, text)
	}
}

func TestLockedForTooLong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := newDeliverer(t, Options{Path: path, LockTimeout: 30 * time.Millisecond})

	if _, err := fcntlLock(f); err != nil {
		t.Fatal(err)
	}
	b := stage(t, d, "x\n")
	_, err = b.Prepare(t.Context())
	wantClass(t, err, deliver.Unavailable, "locked by an fcntl lock for 30ms")
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
	if err := fcntlUnlock(f); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path+".lock", fmt.Appendf(nil, "%d\n", os.Getppid()), 0o444); err != nil {
		t.Fatal(err)
	}
	b = stage(t, d, "x\n")
	_, err = b.Prepare(t.Context())
	wantClass(t, err, deliver.Unavailable, fmt.Sprintf("locked by %s.lock of process %d for", path, os.Getppid()))
	if holder, err := fcntlLock(f); err != nil {
		t.Errorf("the fcntl lock is still held by %q", holder)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Prepare(ctx)
	wantClass(t, err, deliver.Unavailable, "context canceled")
	if n := leftovers(t, filepath.Dir(path)); n != 1 {
		t.Errorf("%d files beside the mbox, want 1", n)
	}
}

func TestStaleLock(t *testing.T) {
	t.Parallel()
	dead := exec.Command(os.Args[0], "-test.run=^$")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	gone, alive := dead.Process.Pid, os.Getpid()
	cases := []struct {
		name    string
		content string
		age     time.Duration
		broken  bool
	}{
		{"ours, dead", fmt.Sprintf("%d\n%s\n", gone, hostname()), 0, true},
		{"ours, alive", fmt.Sprintf("%d\n%s\n", alive, hostname()), time.Minute, false},
		{"ours, alive, old", fmt.Sprintf("%d\n%s\n", alive, hostname()), 6 * time.Minute, true},
		{"ours, another host", fmt.Sprintf("%d\nx%s\n", gone, hostname()), 0, false},
		{"ours, another boot", fmt.Sprintf("%d\n%s\nanother 1\n", alive, hostname()), 0, durable.BootID() != ""},
		{"ours, id used again", fmt.Sprintf("%d\n%s\n%s 1\n", alive, hostname(), durable.BootID()), 0, startOf(alive) != ""},
		{"ours, this process", fmt.Sprintf("%d\n%s\n%s %s\n", alive, hostname(), durable.BootID(), startOf(alive)), 0, false},
		{"another boot of another host", fmt.Sprintf("%d\nx%s\nanother 1\n", alive, hostname()), 0, false},
		{"another program's, dead", fmt.Sprintf("%d\n", gone), 0, false},
		{"another program's, old", "0", 6 * time.Minute, true},
		{"empty", "", time.Minute, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lock := filepath.Join(t.TempDir(), "mbox.lock")
			if err := os.WriteFile(lock, []byte(c.content), 0o444); err != nil {
				t.Fatal(err)
			}
			then := time.Now().Add(-c.age)
			if err := os.Chtimes(lock, then, then); err != nil {
				t.Fatal(err)
			}
			d, _, err := takeDotlock(strings.TrimSuffix(lock, ".lock"))
			if c.broken != (err == nil) || !c.broken && !errors.Is(err, errHeld) {
				t.Fatalf("got %v, want broken %v", err, c.broken)
			}
			if err != nil {
				return
			}
			if o := readLock(lock); o.pid != alive || o.host != hostname() {
				t.Errorf("the lock is of %d at %q", o.pid, o.host)
			}
			if err := d.release(); err != nil {
				t.Error(err)
			}
			if n := leftovers(t, filepath.Dir(lock)); n != 0 {
				t.Errorf("%d files are left", n)
			}
		})
	}
}

// TestSweepLocks: what killed processes left next to the mbox goes; what may be in
// use, or is not ours, stays.
func TestSweepLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deadLock := fmt.Sprintf("1\n%s\nanother 1\n", hostname())
	files := map[string]struct {
		content string
		age     time.Duration
		stays   bool
	}{
		".lk12.345":          {deadLock, 0, durable.BootID() == ""},
		".lk12.346":          {"", 6 * time.Minute, false},
		".lk12.347":          {"", 0, true},
		".lk00012abchost":    {"12", 6 * time.Minute, true},
		"mbox.lock.stale7":   {"", 6 * time.Minute, false},
		"mbox.lock.stale8":   {"", 0, true},
		"notes.lock.stalest": {"", 6 * time.Minute, true},
	}
	for name, f := range files {
		path := filepath.Join(dir, name)
		then := time.Now().Add(-f.age)
		if err := errors.Join(os.WriteFile(path, []byte(f.content), 0o600), os.Chtimes(path, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	send(t, newDeliverer(t, Options{Path: filepath.Join(dir, "mbox")}), "x\n")
	for name, f := range files {
		if got := !missing(filepath.Join(dir, name)); got != f.stays {
			t.Errorf("%s is there: %t, want %t", name, got, f.stays)
		}
	}
}

func TestDotlockIsRefreshedAndNotStolenBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	d, _, err := takeDotlock(path)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-4 * time.Minute)
	if err := os.Chtimes(d.path, old, old); err != nil {
		t.Fatal(err)
	}
	d.refresh() // not due
	d.fresh = old
	for _, want := range []bool{false, true} {
		info, err := os.Stat(d.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(info.ModTime()) < time.Minute; got != want {
			t.Errorf("refreshed: %v, want %v", got, want)
		}
		d.refresh()
	}
	// Another program took it for stale, and holds its own now.
	if err := os.Rename(d.path, d.path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path, []byte("1\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := d.release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.path); err != nil {
		t.Errorf("removed a lock that was not ours: %v", err)
	}
}

// TestChangedWhileLocked: a program that takes no lock appends between Prepare
// and Publish.
func TestChangedWhileLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	d := newDeliverer(t, Options{Path: path})
	b := stage(t, d, "x\n")
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const other = "From a Thu Nov 24 18:22:48 1986\nA: b\n\n"
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClass(t, b.Publish(t.Context())[0].Err, deliver.Unavailable, "changed while we had it locked")
	if fate, err := Recover(t.Context(), intents[0]); fate != deliver.Absent || err != nil {
		t.Errorf("got %v, %v", fate, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != other {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sticky := filepath.Join(dir, "spool")
	must(os.Mkdir(sticky, 0o700))
	must(os.Chmod(sticky, 0o777|os.ModeSticky))
	file := filepath.Join(dir, "file")
	must(os.WriteFile(file, nil, 0o600))
	twice := filepath.Join(dir, "twice")
	must(os.WriteFile(twice, nil, 0o600))
	must(os.Link(twice, twice+"2"))
	must(os.Symlink(file, filepath.Join(sticky, "link")))
	must(os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling")))
	must(os.Symlink(file, filepath.Join(dir, "link")))
	for path, text := range map[string]string{
		dir:                             "is a directory",
		"/dev/null":                     "not a regular file",
		twice:                           "2 names",
		filepath.Join(sticky, "link"):   "symbolic link in",
		filepath.Join(dir, "dangling"):  "no such file",
		filepath.Join(file, "x"):        "not a directory",
		filepath.Join(dir, "file", "x"): "not a directory",
	} {
		_, err := newDeliverer(t, Options{Path: path}).Begin(t.Context())
		wantClass(t, err, deliver.CannotCreate, text)
	}
	send(t, newDeliverer(t, Options{Path: filepath.Join(dir, "link")}), "x\n")
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Errorf("nothing went through the link: %v", err)
	}
	// What was fine at Begin and is not at Prepare.
	b := stage(t, newDeliverer(t, Options{Path: filepath.Join(dir, "new")}), "x\n")
	must(os.Symlink(file, filepath.Join(dir, "new")))
	_, err := b.Prepare(t.Context())
	wantClass(t, err, deliver.CannotCreate, "became a symbolic link")
}
