//go:build faults

package mbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestKilledInRecovery kills the closing of a hole at each of its steps, then
// has another program append, and kills the next attempt some steps later.
func TestKilledInRecovery(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("MBOX_RECOVER_DIR"); dir != "" {
		recoverChild(t, dir)
		return
	}
	for _, shape := range []struct {
		written int64
		foreign int
		ours    []string
	}{
		{300, 12, []string{mail(1, 5), mail(2, 40)}}, // several steps
		{700, 1, []string{mail(1, 5), mail(2, 40)}},  // one step
		{100, 3, []string{mail(1, 3)}},               // a short hole
		{300, 0, []string{mail(1, 5), mail(2, 40)}},  // the end of the file
	} {
		for first := 1; ; first++ {
			if !killTwice(t, shape.written, shape.foreign, shape.ours, first, 1+first%7) || t.Failed() {
				t.Logf("%d steps", first-1)
				break
			}
		}
	}
}

func killTwice(t *testing.T, written int64, foreign int, ours []string, first, second int) (killed bool) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "mbox")
	if err := os.WriteFile(path, []byte("From a Thu Nov 24 18:22:48 1986\nA: b\n\nno end"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDeliverer(t, Options{Path: path})
	intents := crash(t, d, written, ours...)
	data, err := json.Marshal(intents)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "intents"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"A: b\n\nno end\n"}, ours...)
	for range foreign {
		appendForeign(t, dir)
		want = append(want, foreignText)
	}
	killed = recoverKilled(t, dir, first)
	if killed {
		appendForeign(t, dir)
		want = append(want, foreignText)
		recoverKilled(t, dir, second)
	}
	settleAll(t, d, intents, ours)
	checkOnce(t, path, MBOXRD, want...)
	if t.Failed() {
		t.Errorf("%d written, %d foreign, killed at %d and %d", written, foreign, first, second)
	}
	return killed
}

func recoverKilled(t *testing.T, dir string, step int) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledInRecovery$")
	cmd.Env = append(os.Environ(), "MBOX_RECOVER_DIR="+dir, fmt.Sprintf("MAILHAUL_FAULT_KILL=%d", step))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func recoverChild(t *testing.T, dir string) {
	data, err := os.ReadFile(filepath.Join(dir, "intents"))
	if err != nil {
		t.Fatal(err)
	}
	var intents []deliver.Intent
	if err := json.Unmarshal(data, &intents); err != nil {
		t.Fatal(err)
	}
	for _, intent := range intents {
		if _, err := Recover(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
	}
}
