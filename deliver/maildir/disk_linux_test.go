package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// mount makes a tmpfs at a new directory, or skips where that is forbidden.
func mount(t *testing.T, options string) string {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		skip := t.Skipf
		if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
			skip = t.Fatalf
		}
		skip("mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return path
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(mount(t, "size=256k"), "M")
	d := New(Options{Path: path})
	defer d.Close()
	b, err := d.Begin(t.Context())
	must(t, err)
	must(t, b.Add(t.Context(), deliver.Envelope{}, strings.NewReader("small")))
	err = b.Add(t.Context(), deliver.Envelope{}, strings.NewReader(strings.Repeat("x", 1<<20)))
	var failed *deliver.Error
	if !errors.As(err, &failed) || failed.Class != deliver.IOError || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %#v, want IOError with ENOSPC", err)
	}
	if n := len(readStaged(t, path)); n != 1 {
		t.Errorf("%d staged files, want 1", n)
	}
	intents, err := b.Prepare(t.Context())
	if err != nil || len(intents) != 1 {
		t.Fatalf("%d intents, %v", len(intents), err)
	}
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Error(r[0].Err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	top := mount(t, "size=256k")
	path := filepath.Join(top, "M")
	d := New(Options{Path: path})
	defer d.Close()
	b, intents := stage(t, d, "x\n")
	must(t, syscall.Mount("tmpfs", top, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for _, path := range []string{path, filepath.Join(top, "fresh")} {
		_, err := New(Options{Path: path}).Begin(t.Context())
		var failed *deliver.Error
		if !errors.As(err, &failed) || failed.Class != deliver.CannotCreate || !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: got %#v, want CannotCreate with EROFS", path, err)
		}
	}
	if r := b.Publish(t.Context()); r[0].Err == nil {
		t.Error("published on a read-only file system")
	}
	if fate, err := Recover(t.Context(), intents[0]); err == nil || fate != deliver.Unknown {
		t.Errorf("recover: got %d, %v, want an error", fate, err)
	}
	must(t, syscall.Mount("tmpfs", top, "tmpfs", syscall.MS_REMOUNT, ""))
	if fate, err := Recover(t.Context(), intents[0]); err != nil || fate != deliver.Visible {
		t.Errorf("recover: got %d, %v, want Visible", fate, err)
	}
}

func TestTwoFileSystems(t *testing.T) {
	t.Parallel()
	other := mount(t, "size=256k")
	path := t.TempDir()
	must(t, os.Symlink(other, filepath.Join(path, "new")))
	_, err := New(Options{Path: path}).Begin(t.Context())
	var failed *deliver.Error
	if !errors.As(err, &failed) || failed.Class != deliver.CannotCreate {
		t.Errorf("got %#v, want CannotCreate", err)
	}
}
