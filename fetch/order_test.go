//go:build faults

package fetch_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// SIGKILL cannot show a missing fsync: the kernel keeps what was written. So
// the order of the steps is itself a test. If it changes, this test shows the
// difference; the golden file says at each step which law it obeys.

// staging are the steps of the network side. They run beside the commit of the
// batch before, so only their own order is fixed.
var staging = []string{"maildir.create", "maildir.write"}

func TestOrderOfSteps(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "none", "")
	steps, _ := c.run(0)
	checkStaged(t, steps)
	got := slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return slices.Contains(staging, s) })
	for _, line := range c.server.Commands() {
		got = append(got, "C: "+line)
	}
	if d := cmp.Diff(golden(t), got); d != "" {
		t.Errorf("the order of the steps has changed (want -, got +): which law allows that?\n%s", d)
	}
}

// checkStaged: a batch is prepared only once all its messages are staged.
func checkStaged(t *testing.T, steps []string) {
	t.Helper()
	staged, prepared := 0, 0
	want := []int{3, 6, 7} // 7 messages in batches of 3
	for _, s := range steps {
		switch s {
		case "maildir.write":
			staged++
		case "commit.prepare":
			if prepared >= len(want) || staged < want[prepared] {
				t.Errorf("batch %d is prepared with %d messages staged", prepared+1, staged)
				return
			}
			prepared++
		}
	}
	if prepared != len(want) || staged != 7 {
		t.Errorf("%d batches of %d messages", prepared, staged)
	}
}

// golden reads the steps that are expected; what follows a # is a remark.
func golden(t *testing.T) (steps []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "order.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			steps = append(steps, line)
		}
	}
	return steps
}
