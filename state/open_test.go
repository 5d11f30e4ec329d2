package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// hold is the other process: it holds the lock until its input ends.
func hold(path string) int {
	db, err := Open(path, Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer db.Close()
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// holdElsewhere locks path in another process; release ends it.
func holdElsewhere(t *testing.T, path string) (release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STATE_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "held\n" {
		t.Fatalf("the other process: %q %v", line, err)
	}
	done := false
	release = func() {
		if !done {
			done = true
			_ = in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(release)
	return release
}

func TestLockBetweenProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	release := holdElsewhere(t, path)

	for _, o := range []Options{{}, {ReadOnly: true}} {
		start := time.Now()
		if _, err := Open(path, o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Fatalf("%+v: %v", o, err)
		}
		if d := time.Since(start); d > 5*time.Second { // a hang, not a slow machine
			t.Errorf("%+v: took %v", o, d)
		}
	}
	if _, err := Open(path, Options{Wait: 120 * time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Fatalf("after the wait: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenContext(ctx, path, Options{Wait: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}

	opened := make(chan error, 1)
	go func() {
		db, err := Open(path, Options{Wait: time.Minute})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("opened while held: %v", err)
	case <-time.After(20 * time.Millisecond): // nothing shows that it waits, only that it has not ended
	}
	release()
	if err := <-opened; err != nil {
		t.Fatalf("after the release: %v", err)
	}
}

// A file deleted while another process holds it must not be written to by one
// that waited for its lock.
func TestReplacedFileIsNotUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := os.Remove(path); err != nil {
		t.Skip(err) // Windows does not remove open files
	}
	other, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !stillAt(path, f) {
		t.Error("the new file is not at its path")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if stillAt(path, f) {
		t.Error("a deleted file counts as being there")
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	db := openTest(t)
	for path, want := range map[string]fs.FileMode{db.Path(): 0o600, filepath.Dir(db.Path()): 0o700 | fs.ModeDir} {
		if fi, err := os.Stat(path); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v %v", path, fi.Mode(), err)
		}
	}
	names, err := os.ReadDir(filepath.Dir(db.Path()))
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

// filled returns the bytes of a state file with some hundred entries.
func filled(t testing.TB) []byte {
	t.Helper()
	db := openTest(t)
	for i := range 4 {
		c := &Change{Targets: []string{"t"}, Intend: []Intent{intent("i", "t")}, Facts: &Facts{NoTop: true}, Run: &Run{}}
		for j := range 200 {
			c.Put = append(c.Put, typicalEntry(i*200+j))
		}
		apply(t, db, c)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign")
	b, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	good := filled(t)
	for name, content := range map[string][]byte{
		"one byte":      {0},
		"text":          []byte("From alice@example.org Mon Mar  2 2026\n"),
		"long text":     bytes.Repeat([]byte("uid 1234\n"), 10000),
		"zeros":         make([]byte, 64<<10),
		"other bbolt":   theirs,
		"half a page":   good[:2000],
		"one page":      good[:4096],
		"meta only":     good[:8192],
		"half":          good[:len(good)/2/4096*4096],
		"no meta pages": append(make([]byte, 8192), good[8192:]...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, ro := range []bool{true, false} {
				_, err := Open(path, Options{ReadOnly: ro})
				if !errors.Is(err, ErrNotState) || !strings.Contains(err.Error(), path) {
					t.Errorf("read only %v: %v", ro, err)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		if _, err := Open(dir, Options{}); err == nil || errors.Is(err, ErrNotState) {
			t.Errorf("%v", err)
		}
	})
	t.Run("parent is a file", func(t *testing.T) {
		if _, err := Open(filepath.Join(foreign, "x.db"), Options{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("empty", func(t *testing.T) { // a creation cut short where links do not work
		path := filepath.Join(dir, "empty.db")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		apply(t, db, &Change{Put: []Entry{{Key: "a"}}})
	})
}

// Whatever a page holds, the answer is an error or fewer entries: never a
// panic, never the end of the process.
func TestDamagedPages(t *testing.T) {
	good := filled(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "x.db")
	failed := 0
	for range 150 {
		b := bytes.Clone(good)
		page := (2 + rnd.IntN(len(b)/4096-2)) * 4096
		for i := range 4096 - 16 { // the header names the page's kind: leave that of half of them
			if i > 0 || rnd.IntN(2) == 0 {
				b[page+16+i] = byte(rnd.Uint32())
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := useAll(path); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no damage was noticed")
	}
}

func useAll(path string) error {
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.View(func(v *View) error {
		for k, r := range v.Records() {
			_, _ = v.Entry(k, r), r.Done()
		}
		_, err := v.Intents()
		_, _, _, _, _ = v.Failures(), v.Gone(), v.Runs(), v.Facts(), v.Len()
		v.Get("x")
		return errors.Join(err, v.Export(io.Discard))
	})
	c := &Change{Intend: []Intent{intent("n", "t")}, Run: &Run{}}
	for i := range 100 {
		c.Put = append(c.Put, typicalEntry(i*7))
	}
	return errors.Join(err, db.Apply(c))
}

// A file cut while it is open is an access to memory that is not there.
func TestTruncatedWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open mapping cannot be truncated")
	}
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, filled(t), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	err = db.View(func(v *View) error {
		for range v.Records() {
		}
		return nil
	})
	if !errors.Is(err, ErrNotState) {
		t.Errorf("view: %v", err)
	}
	if err := db.Apply(&Change{Put: []Entry{{Key: "a"}}}); err == nil {
		t.Error("apply: no error")
	}
}

func TestCallersPanicIsTheirs(t *testing.T) {
	db := openTest(t)
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		apply(t, db, &Change{Run: &Run{}}) // and the snapshot is closed
	}()
	_ = db.View(func(*View) error { panic("a defect of the caller") })
}

func TestVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	try := func(version int, steps map[int]upgrade, ro bool) error {
		db, err := open(t.Context(), path, Options{ReadOnly: ro}, version, steps)
		if err != nil {
			return err
		}
		return db.Close()
	}
	if err := try(1, nil, false); err != nil {
		t.Fatal(err)
	}
	step := func(name string) upgrade {
		return func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte(name)); return err }
	}
	broken := errors.New("broken")
	seal := func(tx *bbolt.Tx) error { return errors.Join(sealAll(tx), step("one")(tx)) }
	steps := map[int]upgrade{1: seal, 2: func(*bbolt.Tx) error { return broken }}
	var v *VersionError
	if err := try(3, steps, true); err != nil {
		t.Fatalf("read only, which upgrades nothing: %v", err)
	}
	if err := try(3, steps, false); !errors.Is(err, broken) {
		t.Fatalf("broken step: %v", err)
	}
	if err := try(1, nil, false); err != nil {
		t.Fatalf("a failed upgrade changed the file: %v", err)
	}
	delete(steps, 2)
	if err := try(3, steps, false); err == nil {
		t.Fatal("a missing step was passed over")
	}
	steps[2] = step("two")
	if err := try(3, steps, false); err != nil {
		t.Fatal(err)
	}
	for _, ro := range []bool{true, false} {
		_, err := Open(path, Options{ReadOnly: ro})
		if !errors.As(err, &v) || v.Have != 3 || v.Want != formatVersion || v.Path != path || !strings.Contains(err.Error(), "newer") {
			t.Fatalf("newer file: %v", err)
		}
	}
	b, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_ = b.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte("one")) == nil || tx.Bucket([]byte("two")) == nil {
			t.Error("a step was not taken")
		}
		return nil
	})
}

// TestAttemptsAreSwept: what killed processes left of their attempts to make the
// file goes with the one that makes it.
func TestAttemptsAreSwept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	left := map[string]bool{"a.db.1.new": false, "a.db.2.new": true, "b.db.3.new": true}
	for name := range left {
		name = filepath.Join(filepath.Dir(path), name)
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if then := time.Now().Add(-time.Hour); filepath.Base(name) != "a.db.2.new" {
			if err := os.Chtimes(name, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, stays := range left {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), name)); (err == nil) != stays {
			t.Errorf("%s: %v, want there %t", name, err, stays)
		}
	}
}
