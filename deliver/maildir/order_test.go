//go:build faults

package maildir

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// orderSmall is the golden log of a new Maildir, a batch of two, and the
// recovery of one more: SIGKILL cannot show a missing fsync, this can.
const orderSmall = `
durable.mkdir durable.syncdir
durable.mkdir durable.syncdir
durable.mkdir durable.syncdir
durable.mkdir durable.syncdir
maildir.create maildir.write
maildir.create maildir.write
durable.fsync durable.fsync durable.syncdir
RECORD
maildir.rename maildir.rename maildir.settle durable.syncdir
maildir.create maildir.write
durable.fsync durable.syncdir
RECORD
maildir.rename maildir.settle durable.syncdir
maildir.rename maildir.settle durable.syncdir
`

// TestOrder runs itself as a child, because package fault reads its
// environment once.
func TestOrder(t *testing.T) {
	t.Parallel()
	if os.Getenv("MAILDIR_ORDER_CHILD") != "" {
		path := filepath.Join(t.TempDir(), "M")
		d := New(Options{Path: path})
		b, _ := stage(t, d, "one", "two")
		fault.Point("RECORD")
		b.Publish(t.Context())
		_, intents := stage(t, d, "three")
		fault.Point("RECORD")
		for range 2 { // the second finds it done, and syncs all the same
			if _, err := Recover(t.Context(), intents[0]); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0], "-test.run=^TestOrder$")
	cmd.Env = append(os.Environ(), "MAILDIR_ORDER_CHILD=1", "MAILHAUL_FAULT_LOG="+log)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(orderSmall), strings.Fields(string(got))); diff != "" {
		t.Error(diff)
	}
}
