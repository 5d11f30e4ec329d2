package delivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// maxSteps ends a crash test whose child never gets to its end.
const maxSteps = 1000

// testFault makes each fault point of one walk fail, one at a time. The child
// checks that only whole messages are visible and that no result lied.
func testFault(t *testing.T, h Harness) {
	if !fault.Enabled {
		t.Skip("needs the build tag faults")
	}
	if h.isChild(t) {
		return
	}
	for _, name := range faultPoints(t) {
		dir := t.TempDir()
		if _, err := runChild(t, dir, "MAILHAUL_FAULT_ERROR="+name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !h.InDir {
			continue
		}
		if err := h.finish(t, dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// faultPoints are the names that one walk passes, once each, in order.
func faultPoints(t *testing.T) (names []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if _, err := runChild(t, dir, "MAILHAUL_FAULT_LOG="+log); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("the walk passes no fault point: %v", err)
	}
	for _, name := range strings.Fields(string(data)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// testCrash kills the walk at each fault point.
func testCrash(t *testing.T, h Harness) {
	if !fault.Enabled || !h.InDir {
		t.Skip("needs the build tag faults and a target that outlives its process")
	}
	if h.isChild(t) {
		return
	}
	if err := h.crash(t, ""); err != nil {
		t.Error(err)
	}
}

// testMutations proves that the crash case catches what it is there for.
func testMutations(t *testing.T, h Harness) {
	if !fault.Enabled || !h.InDir || h.Uncertain {
		t.Skip("needs the build tag faults and a target where duplicates are certain")
	}
	if h.isChild(t) {
		return
	}
	for _, mutation := range append([]string{noIntents}, h.Mutations...) {
		if err := h.crash(t, mutation); err == nil {
			t.Errorf("mutation %q is not caught", mutation)
		} else {
			t.Logf("mutation %q is caught: %.200v", mutation, err)
		}
	}
}

func (h Harness) crash(t *testing.T, mutation string) error {
	t.Helper()
	for n := 1; n <= maxSteps; n++ {
		dir := t.TempDir()
		killed, err := runChild(t, dir,
			fmt.Sprintf("MAILHAUL_FAULT_KILL=%d", n), "MAILHAUL_FAULT_MUTATE="+mutation)
		if err != nil {
			return err
		}
		if err := h.finish(t, dir); err != nil {
			return fmt.Errorf("killed at step %d: %w", n, err)
		}
		if !killed {
			t.Logf("%d steps", n-1)
			return nil
		}
	}
	return fmt.Errorf("the walk is not over after %d steps", maxSteps)
}

// finish does what the next run does after a crash: recover each intent,
// twice, with another program at work before and between; deliver again what
// is not visible. Each message must then be there once.
func (h Harness) finish(t *testing.T, dir string) error {
	t.Helper()
	h.Ordered = false
	j, err := loadJournal(dir)
	if err != nil {
		return err
	}
	for range 2 {
		if h.Reader != nil {
			h.Reader(t, targetDir(dir))
		}
		for i, intent := range j.Intents {
			fate, err := h.Recover(context.Background(), intent)
			if err != nil {
				return fmt.Errorf("recover message %d: %w", i, err)
			}
			j.Settled[i] = fate == deliver.Visible
		}
	}
	var again [][]byte
	sent := bodies(childBodies)
	for i, body := range sent {
		if !j.Settled[i] {
			again = append(again, body)
		}
	}
	target := h.openAt(t, targetDir(dir)) // closed also if send ends the test
	send(t, target, again...)
	visible := target.Read(t)
	if h.Uncertain {
		visible = once(visible)
	}
	return errors.Join(h.compare(visible, sent), target.Deliverer.Close())
}

// once leaves one of messages that are the same.
func once(messages [][]byte) [][]byte {
	messages = slices.SortedFunc(slices.Values(messages), bytes.Compare)
	return slices.CompactFunc(messages, bytes.Equal)
}
