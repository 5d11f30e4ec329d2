package delivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// childDir is where a child process finds its target and keeps its journal.
const childDir = "DELIVERTEST_CHILD_DIR"

// childBodies is what a child delivers, in batches of childBatch.
const (
	childBodies = 4
	childBatch  = 2
)

// noIntents is the mutation of the suite itself: nothing is recorded before
// Publish, so that what a killed process has published is delivered again.
const noIntents = "no-intents"

// childTime ends a child that hangs, with its stacks in the error. A loaded
// machine takes a second.
const childTime = "20s"

// journal is what a child has recorded durably enough to survive SIGKILL. It
// plays the part of the state database.
type journal struct {
	Intents map[int]deliver.Intent // by message: recorded, not settled
	Settled map[int]bool           // published without error
}

func journalPath(dir string) string { return filepath.Join(dir, "journal.json") }

func (j *journal) save(dir string) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := os.WriteFile(journalPath(dir)+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(journalPath(dir)+".new", journalPath(dir))
}

func loadJournal(dir string) (*journal, error) {
	j := &journal{Intents: map[int]deliver.Intent{}, Settled: map[int]bool{}}
	data, err := os.ReadFile(journalPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	return j, json.Unmarshal(data, j)
}

// targetDir is the part of a child's directory that the harness sees.
func targetDir(dir string) string { return filepath.Join(dir, "target") }

// isChild runs the child's side of a case if this is one.
func (h Harness) isChild(t *testing.T) bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	target := h.openAt(t, targetDir(dir))
	sent := bodies(childBodies)
	j := &journal{Intents: map[int]deliver.Intent{}, Settled: map[int]bool{}}
	noticed := false
	for from := 0; from < len(sent); {
		n := min(maxBatch(target, childBatch), len(sent)-from)
		if err := walkBatch(target, sent[from:from+n], from, j, dir); err != nil {
			noticed = true
			checkClass(t, err)
		}
		from += n
	}
	if name := os.Getenv("MAILHAUL_FAULT_ERROR"); name != "" && h.Reported && !noticed {
		t.Errorf("the failure of %s was not reported", name)
	}
	var settled [][]byte
	for i := range j.Settled {
		settled = append(settled, h.Canon(sent[i]))
	}
	if !h.Uncertain { // a relay whose reply is lost may be given a message twice
		h.checkWhole(t, target, sent)
	}
	visible := target.Read(t)
	for _, m := range settled {
		if !slices.ContainsFunc(visible, func(v []byte) bool { return bytes.Equal(v, m) }) {
			t.Errorf("reported as delivered, but not there: %s", outline([][]byte{m}))
		}
	}
	return true
}

// walkBatch delivers one batch as the engine does: a failed batch is aborted,
// intents are recorded before Publish, and settled after it.
func walkBatch(target Target, sent [][]byte, first int, j *journal, dir string) error {
	ctx := context.Background()
	b, err := target.Deliverer.Begin(ctx)
	if err != nil {
		return err
	}
	for i, body := range sent {
		if err := b.Add(ctx, envelope(i), bytes.NewReader(body)); err != nil {
			return errors.Join(err, b.Abort())
		}
	}
	intents, err := b.Prepare(ctx)
	if err != nil {
		return errors.Join(err, b.Abort())
	}
	if !fault.Mutated(noIntents) {
		for i, intent := range intents {
			j.Intents[first+i] = intent
		}
	}
	if err := j.save(dir); err != nil {
		return err
	}
	var errs []error
	for i, r := range b.Publish(ctx) {
		errs = append(errs, r.Err)
		if r.Err == nil { // a failure's outcome is not known: its intent stays
			delete(j.Intents, first+i)
			j.Settled[first+i] = true
		}
	}
	return errors.Join(append(errs, j.save(dir))...)
}

func checkClass(t *testing.T, err error) {
	t.Helper()
	var failed *deliver.Error
	if !errors.As(err, &failed) {
		t.Errorf("not a *deliver.Error: %v", err)
	}
}

// runChild starts this test again in a process of its own, with fault points
// steered by env, and returns whether it was killed.
func runChild(t *testing.T, dir string, env ...string) (killed bool, err error) {
	t.Helper()
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	cmd := exec.Command(os.Args[0], "-test.run="+strings.Join(parts, "/"), "-test.timeout="+childTime)
	cmd.Env = append(os.Environ(), childDir+"="+dir, "TMPDIR="+filepath.Join(dir, "tmp"))
	cmd.Env = append(cmd.Env, env...)
	for _, d := range []string{targetDir(dir), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("child with %q: %w\n%s", env, err, out)
	}
	return false, nil
}
