package state

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatusFile(t *testing.T) {
	dir := t.TempDir()
	path := StatusPath(dir, "a:1")
	if _, err := ReadStatus(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	want := StatusFile{Account: "work", ID: "a:1", PID: os.Getpid(), State: StateRunning, Started: at(1), Updated: at(2), Stage: "retrieve",
		Listed: 9, Total: 8, Fetched: 7, Bytes: 6, BytesTotal: 5, LastRun: &Run{Started: at(0), Listed: 3}, NextRun: at(3), Error: "x"}
	for range 2 {
		if err := WriteStatus(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadStatus(path)
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
	if !got.Running() {
		t.Error("this process does not run")
	}
	got.State = StateIdle
	if got.Running() {
		t.Error("an idle one runs")
	}
	if fi, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && fi.Mode() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadStatus(path); err == nil {
		t.Error("half a file was read")
	}
	if err := WriteStatus(filepath.Join(dir, "none", "x"), want); err == nil {
		t.Error("no error for a missing directory")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

func TestAlive(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if Alive(cmd.Process.Pid) {
		t.Error("an ended process is alive")
	}
	if Alive(0) || Alive(-1) || !Alive(os.Getpid()) {
		t.Error("0, -1 or this process")
	}
}
