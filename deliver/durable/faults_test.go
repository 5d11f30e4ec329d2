//go:build faults

package durable

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOrder runs itself as a child with the log of fault points on, because
// package fault reads its environment once.
func TestOrder(t *testing.T) {
	if os.Getenv("DURABLE_CHILD") != "" {
		walk(t)
		return
	}
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0], "-test.run=^TestOrder$")
	cmd.Env = append(os.Environ(), "DURABLE_CHILD=1", "MAILHAUL_FAULT_LOG="+log)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"durable.mkdir", "durable.syncdir", "durable.mkdir", "durable.syncdir", // MkdirAll of two
		"durable.create", "durable.fsync", "durable.rename", "durable.syncdir", // WriteFile
		"durable.fsync", "durable.fsync", "durable.fsync", "durable.syncdir", // a small group
	}
	if diff := cmp.Diff(want, strings.Fields(string(got))); diff != "" {
		t.Error(diff)
	}
}

func walk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "f"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	var s Syncer
	g, err := s.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Sync(t.Context(), writeFiles(t, dir, 3)); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}
