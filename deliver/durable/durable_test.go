package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeFiles(t testing.TB, dir string, n int) (names []string) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("m%03d", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestSyncFilesNamesTheFailures(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for _, name := range writeFiles(t, dir, 40) {
		paths = append(paths, filepath.Join(dir, name))
	}
	if err := SyncFiles(t.Context(), paths); err != nil {
		t.Fatal(err)
	}
	paths[7] = filepath.Join(dir, "absent")
	var failed *FilesError
	err := SyncFiles(t.Context(), paths)
	if !errors.As(err, &failed) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want a FilesError with ErrNotExist", err)
	}
	for i, err := range failed.Errs {
		if (err != nil) != (i == 7) {
			t.Errorf("file %d: %v", i, err)
		}
	}
	if err := SyncFiles(t.Context(), nil); err != nil {
		t.Errorf("no files: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	names := writeFiles(t, dir, manyFiles)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, n := range []int{1, manyFiles} {
		var s Syncer
		g, err := s.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Sync(ctx, names[:n]); !errors.Is(err, context.Canceled) {
			t.Errorf("%d files: got %v, want context.Canceled", n, err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestGroup(t *testing.T) {
	dir := t.TempDir()
	names := writeFiles(t, dir, manyFiles)
	for _, n := range []int{0, 1, manyFiles} {
		for _, slow := range []bool{false, true} {
			var s Syncer
			g, err := s.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if g.volume != nil {
				g.volume.slow = slow
			}
			if err := g.Sync(t.Context(), names[:n]); err != nil {
				t.Errorf("%d files, slow %v: %v", n, slow, err)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestMkdirAll(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, want 0700", info.Mode())
	}
	writeFiles(t, top, 1)
	if err := MkdirAll(filepath.Join(top, "m000"), 0o700); err == nil {
		t.Error("a file passed for a directory")
	}
	if err := MkdirAll(filepath.Join(top, "m000", "x"), 0o700); err == nil {
		t.Error("a directory was made in a file")
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("got %q, %v, want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	// The target is a directory: the rename fails, and nothing is left behind.
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "d"), nil); err == nil {
		t.Error("a directory was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"d", "f"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestWriteNewAndSwap(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteNew(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "one" {
		t.Errorf("the file that was there holds %q", got)
	}
	if err := Swap(path, 0o644, []byte("three")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".f*")); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

func TestRenameNewKeepsWhatIsThere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux promises it")
	}
	dir := t.TempDir()
	names := writeFiles(t, dir, 2)
	a, b := filepath.Join(dir, names[0]), filepath.Join(dir, names[1])
	if err := RenameNew(a, b); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	if err := RenameNew(a, b+"x"); err != nil {
		t.Error(err)
	}
	if err := RenameNew(a, b+"y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestTruncate(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("12345"); err != nil {
		t.Fatal(err)
	}
	if err := Truncate(f, 2); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || string(got) != "12" {
		t.Errorf("got %q, %v", got, err)
	}
}
