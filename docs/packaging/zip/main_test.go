package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPack: the same files give the same bytes, whatever their times, and come
// out as they were.
func TestPack(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var archives [2][]byte
	for i := range archives {
		dir := t.TempDir()
		tree := filepath.Join(dir, "mailhaul-v1")
		for name, text := range map[string]string{"mailhaul.exe": "MZ", "completion/mailhaul.bash": "complete"} {
			path := filepath.Join(tree, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, time.Unix(int64(i)*1e8, 0)); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "out.zip")
		if err := pack(out, tree); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same files differ")
	}
	r, err := zip.NewReader(bytes.NewReader(archives[0]), int64(len(archives[0])))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open("mailhaul-v1/completion/mailhaul.bash")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != "complete" {
		t.Errorf("%q, %v", text, err)
	}
	if st, err := f.Stat(); err != nil || !st.ModTime().Equal(time.Unix(1700000000, 0)) {
		t.Errorf("%v, %v", st.ModTime(), err)
	}
}

func TestPackNeedsATime(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if err := pack(filepath.Join(t.TempDir(), "out.zip"), t.TempDir()); err == nil {
		t.Error("packed without a time")
	}
}
