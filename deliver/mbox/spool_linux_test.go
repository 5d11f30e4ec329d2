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

// TestFullDisk delivers to a file system with little room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("needs a file system that can be filled: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
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
