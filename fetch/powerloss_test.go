//go:build faults

package fetch_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reboot makes a run believe that the machine was started again.
const reboot = "other-boot"

// unsynced is how many messages were renamed into new/ in steps that no fsync
// of the directory followed. A killed run has not taken its last step.
func unsynced(steps []string) (n int) {
	for i, s := range steps[:len(steps)-1] {
		switch {
		case s == "maildir.rename":
			n++
		case s == "durable.syncdir" && i > 0 && steps[i-1] == "maildir.settle":
			n = 0
		}
	}
	return n
}

// lastNew are the last n messages in new/, in the order of their delivery.
func (c *crash) lastNew(n int) []string {
	names, _ := filepath.Glob(filepath.Join(c.dir, "Maildir", "new", "*"))
	number := func(path string) (n int) {
		_, q, _ := strings.Cut(filepath.Base(path), "Q")
		_, _ = fmt.Sscanf(q, "%d", &n)
		return n
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return names[len(names)-n:]
}

// empty removes the messages in tmp/, and with all the marks as well.
func (c *crash) empty(all bool) {
	names, _ := filepath.Glob(filepath.Join(c.dir, "Maildir", "tmp", "*"))
	for _, name := range names {
		if all || !strings.Contains(filepath.Base(name), "Q0.") {
			_ = os.Remove(name)
		}
	}
}

// stagedName is the name in tmp/ that the intent of a message in new/ has: the
// test's clock does not tell it, so it is read from the state's bytes.
func (c *crash) stagedName(t *testing.T, path string) string {
	t.Helper()
	base := filepath.Base(path)
	at := strings.Index(base, ".R")
	end := strings.Index(base, ",S=")
	db, err := os.ReadFile(filepath.Join(c.dir, "state", "crash.db"))
	if err != nil {
		t.Fatal(err)
	}
	tail := base[at:end] + "\x00"
	i := strings.Index(string(db), tail)
	if i < 0 {
		t.Fatalf("no intent of %s", base)
	}
	from := strings.LastIndexByte(string(db[:i]), 0) + 1
	return string(db[from : i+len(tail)-1])
}

// TestPowerLoss: the run ends at each step at which messages are renamed and
// not synced, the file system has kept of each rename what it likes, and the
// machine comes up again.
func TestPowerLoss(t *testing.T) {
	lose := map[string]func(t *testing.T, c *crash, path string){
		"new entry missing": func(t *testing.T, c *crash, path string) {
			if err := os.Rename(path, filepath.Join(c.dir, "Maildir", "tmp", c.stagedName(t, path))); err != nil {
				t.Fatal(err)
			}
		},
		"old entry missing": func(*testing.T, *crash, string) {},
		"both there": func(t *testing.T, c *crash, path string) {
			if err := os.Link(path, filepath.Join(c.dir, "Maildir", "tmp", c.stagedName(t, path))); err != nil {
				t.Fatal(err)
			}
		},
		"both missing": func(_ *testing.T, _ *crash, path string) { _ = os.Remove(path) },
		"tmp emptied":  func(_ *testing.T, c *crash, path string) { _ = os.Remove(path); c.empty(true) },
	}
	for name, lose := range lose {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, _ := newCrash(t, "none", "").run(0)
			tried := 0
			for k := 1; k <= len(steps); k++ {
				if !slices.Contains(steps[:k], "maildir.rename") {
					continue
				}
				c := newCrash(t, "none", "")
				taken, _ := c.run(k) // two goroutines: the order is not always the same
				n := unsynced(taken)
				if n == 0 {
					continue
				}
				tried++
				for _, path := range c.lastNew(n) {
					lose(t, c, path)
				}
				c.read()
				c.mutate = reboot
				if err := c.rest(); err != nil {
					t.Errorf("ended at step %d (%s): %v", k, steps[k-1], err)
				}
			}
			if tried == 0 {
				t.Error("no step was tried")
			}
		})
	}
}

// TestTmpEmptied: somebody empties tmp/, or removes what is staged there,
// between the kill and the recovery. And with absence taken for a proof, a
// message must be lost.
func TestTmpEmptied(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("marks %t", all), func(t *testing.T) {
			t.Parallel()
			if k, err := emptied(t, "", all); err != nil {
				t.Errorf("killed at step %d: %v", k, err)
			}
			if _, err := emptied(t, "absence-proves", all); err == nil {
				t.Error("no step showed the defect")
			}
		})
	}
}

func emptied(t *testing.T, mutation string, all bool) (k int, err error) {
	steps, _ := newCrash(t, "none", mutation).run(0)
	first := slices.Index(steps, "commit.apply") + 1
	for k = first; k <= len(steps); k++ {
		c := newCrash(t, "none", mutation)
		c.run(k)
		c.read()
		c.empty(all)
		if err = c.rest(); err != nil {
			return k, err
		}
	}
	return k, nil
}
