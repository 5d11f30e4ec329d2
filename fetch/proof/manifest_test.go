package proof_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

// listed is what the test reads of a manifest's line.
type listed struct {
	Kind, Account, Target, Path, SHA256, Status string
	Size                                        int64
	MessageID                                   string `json:"message_id"`
	Delivered, Verified, Deleted                *time.Time
}

// manifestOf verifies, so that there is something to list, and reads the lines.
func manifestOf(t *testing.T, g *fetchtest.Rig) (text string, lines []listed) {
	t.Helper()
	if _, err := g.Prover.Verify(context.Background(), g.Account, func(proof.Check) {}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := g.Prover.Manifest(context.Background(), g.Account, &b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		var l listed
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return b.String(), lines
}

// TestManifestSaysWhatIsThere compares each line with the file that it names.
func TestManifestSaysWhatIsThere(t *testing.T) {
	t.Parallel()
	g := fetchtest.NewFetched(t, 6)
	names := g.Files()
	moved := filepath.Join(g.Dir, "Maildir", "cur", filepath.Base(names[0])+":2,S")
	if err := os.Rename(names[0], moved); err != nil {
		t.Fatal(err)
	}
	text, lines := manifestOf(t, g)
	n, last, err := proof.CheckManifest(strings.NewReader(text))
	if err != nil || n != 6 || last != sumOf([]byte(strings.TrimRight(text[strings.LastIndex(strings.TrimRight(text, "\n"),
		"\n")+1:], "\n"))) {
		t.Fatalf("%d messages, last %s, %v", n, last, err)
	}
	paths := make(map[string]bool)
	for _, l := range lines[1 : len(lines)-1] {
		body, err := os.ReadFile(l.Path)
		switch {
		case err != nil:
			t.Error(err)
		case sumOf(body) != l.SHA256, int64(len(body)) != l.Size:
			t.Errorf("%s is not what the manifest says: %+v", l.Path, l)
		case !strings.Contains(string(body), "Message-ID: "+l.MessageID+"\n"):
			t.Errorf("Message-ID %q is not that of %s", l.MessageID, l.Path)
		case l.Status != state.Delivered.String(), l.Delivered == nil, l.Verified == nil, l.Deleted != nil, l.Account != "test",
			l.Target != "maildir":
			t.Errorf("%+v", l)
		}
		paths[l.Path] = true
	}
	if len(paths) != 6 || !paths[moved] {
		t.Errorf("paths: %v", paths)
	}
	if _, err := g.Prover.Purge(context.Background(), g.Account, 0, false, func(proof.Check) {}); err != nil {
		t.Fatal(err)
	}
	if _, lines := manifestOf(t, g); lines[1].Deleted == nil {
		t.Error("the deletion is not in the manifest")
	}
}

// TestManifestShowsTampering changes each line in each way.
func TestManifestShowsTampering(t *testing.T) {
	t.Parallel()
	text, _ := manifestOf(t, fetchtest.NewFetched(t, 4))
	lines := strings.SplitAfter(strings.TrimRight(text, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	check := func(what string, at int, changed []string) {
		if n, _, err := proof.CheckManifest(strings.NewReader(strings.Join(changed, ""))); err == nil {
			t.Errorf("%s at line %d is not noticed, %d messages", what, at+1, n)
		}
	}
	if _, _, err := proof.CheckManifest(strings.NewReader(strings.Join(lines, ""))); err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		check("removed", i, slices.Delete(slices.Clone(lines), i, i+1))
		check("doubled", i, slices.Insert(slices.Clone(lines), i, lines[i]))
		if i+1 < len(lines) {
			changed := slices.Clone(lines)
			changed[i], changed[i+1] = changed[i+1], changed[i]
			check("swapped", i, changed)
			changed = slices.Clone(lines)
			changed[i] = strings.Replace(changed[i], "t", "T", 1)
			check("changed", i, changed)
			check("cut off", i, lines[:i+1])
		}
	}
	check("junk", 0, []string{"not JSON\n"})
	check("nothing", 0, nil)
	// The last line cannot protect itself: its hash is what is kept elsewhere.
	_, kept, _ := proof.CheckManifest(strings.NewReader(text))
	changed := slices.Clone(lines)
	changed[len(changed)-1] = strings.Replace(changed[len(changed)-1], `"kind":"end"`, `"kind":"end","uid":"x"`, 1)
	if _, last, err := proof.CheckManifest(strings.NewReader(strings.Join(changed, ""))); err != nil || last == kept {
		t.Errorf("the last line was changed and its hash is the same: %v", err)
	}
}

func sumOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
