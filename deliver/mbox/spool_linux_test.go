package mbox

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestSpoolDirectory: /var/mail on a system that lets users create nothing
// there. One thread of the test becomes another user.
func TestSpoolDirectory(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := t.TempDir()
	for d := dir; d != filepath.Dir(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode()&0o011 == 0 {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if d == os.TempDir() {
			break
		}
	}
	path := filepath.Join(dir, "mbox")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := newDeliverer(t, Options{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Error(err)
			return
		}
		for range 2 {
			b, err := d.Begin(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := b.Add(t.Context(), envelope(), strings.NewReader("x\n")); err != nil {
				t.Error(err)
			}
			if _, err := b.Prepare(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if r := b.Publish(t.Context()); r[0].Err != nil {
				t.Error(r[0].Err)
			}
		}
	}()
	<-done
	if all, trouble := readAll(t, path, MBOXRD); len(all) != 2 || trouble != "" {
		t.Errorf("%d messages, want 2; %s", len(all), trouble)
	}
	if n := strings.Count(log.String(), "without a dotlock"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, log.String())
	}
}

// smallDisk is a directory on a file system of that size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs a file system that can be filled: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk delivers to a file system with little room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "256k")
	path := filepath.Join(dir, "mbox")
	d := New(Options{Path: path})
	defer d.Close()
	send(t, d, "first\n")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := stage(t, d)
	big := io.LimitReader(strings.NewReader(strings.Repeat("0123456789abcde\n", 1<<15)), 1<<19)
	if err := b.Add(t.Context(), envelope(), big); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantClass(t, b.Publish(t.Context())[0].Err, deliver.IOError, "no space left")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("got %q, %v, want it unchanged", after, err)
	}
	send(t, d, "second\n")
	if all, trouble := readAll(t, path, MBOXRD); len(all) != 2 || trouble != "" {
		t.Errorf("%d messages, want 2; %s", len(all), trouble)
	}

	// The staging area is full: one message fails, the batch goes on.
	d = New(Options{Path: filepath.Join(t.TempDir(), "mbox"), TempDir: dir})
	defer d.Close()
	b = stage(t, d, "one\n")
	big = strings.NewReader(strings.Repeat("0123456789abcde\n", 1<<15))
	wantClass(t, b.Add(t.Context(), envelope(), big), deliver.IOError, "no space left")
	if err := b.Add(t.Context(), envelope(), strings.NewReader("two\n")); err != nil {
		t.Error(err)
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Publish(t.Context()) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if all, trouble := readAll(t, d.opts.Path, MBOXRD); len(all) != 2 || trouble != "" {
		t.Errorf("%d messages, want 2; %s", len(all), trouble)
	}
}

// TestSpoolFullForAMoment: what a failed write left in the file is not what
// the next one goes on from, and the message that met it is dropped whole.
func TestSpoolFullForAMoment(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "512k")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 400<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	first := strings.Repeat("first message\n", 10_000)
	if _, _, err := s.add(t.Context(), MBOXRD, envelope(), strings.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, s.size)
	if _, err := s.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, spoolMemory)
	if _, err := s.Write(block); err == nil {
		t.Fatal("there was room")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte(">")); err == nil {
		t.Error("the message goes on after a gap")
	}
	if err := s.rollback(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.add(t.Context(), MBOXRD, envelope(), bytes.NewReader(block)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the first message is not what it was: %v", err)
	}
	if s.inFile == 0 {
		t.Error("nothing was written to the file: not what is tested")
	}
}
