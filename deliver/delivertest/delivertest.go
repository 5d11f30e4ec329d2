// Package delivertest is the suite that every deliverer passes. A deliverer's
// own test describes itself in a Harness and calls Run:
//
//	func TestConformance(t *testing.T) {
//		delivertest.Run(t, delivertest.Harness{
//			Open:    func(t testing.TB, dir string) delivertest.Target { ... },
//			Recover: mbox.Recover,
//		})
//	}
//
// In a normal build the suite checks the contract of package deliver. Built
// with the tag faults it also starts the test binary again, makes each fault
// point fail, one after the other, kills the process at each, and compares what is visible
// after recovery.
package delivertest

import (
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// Harness describes one kind of deliverer.
type Harness struct {
	// Open makes a target and its deliverer. What the target keeps lies in
	// dir, which exists, and is empty the first time.
	Open func(t testing.TB, dir string) Target
	// Recover settles the intents of the deliverer.
	Recover deliver.RecoverFunc

	// Canon is what Read returns for a message that was sent, for targets
	// that change it (a relay adds the final newline). Nil: nothing changes.
	Canon func(sent []byte) []byte
	// InDir: the target is what lies in dir and nothing else, so Open with
	// the same dir is the same target again, in another process too. The
	// suite then opens it twice at a time, and kills.
	InDir bool
	// Uncertain: after a crash it cannot be known whether a message arrived
	// (a relay, a command), so Recover may return Unknown, and the crash case
	// asks only that each message is there at least once, and whole.
	Uncertain bool
	// Ordered: Read returns the messages in the order of delivery.
	Ordered bool
	// StagingMemory bounds what Add and Prepare of 20 MB may allocate in all,
	// in bytes. 0: 4 MiB.
	StagingMemory uint64
	// Reader plays another program that uses the target between a crash and
	// the recovery (a mail reader that moves messages to cur/). May be nil.
	// What it does must not change what Read returns.
	Reader func(t testing.TB, dir string)
	// Mutations are the deliverer's own defects (fault.Mutated) that the crash
	// case must catch, besides the suite's.
	Mutations []string
	// Reported: every fault point is one that can fail (fault.Error), and its
	// failure must show in an error or a result.
	Reported bool
	// Skip names cases that do not apply, with the reason: "bodies/nul".
	Skip map[string]string
}

// Target is one place that messages go to.
type Target struct {
	Deliverer deliver.Deliverer
	// Read returns the bytes of every visible message, also after the
	// deliverer is closed.
	Read func(t testing.TB) [][]byte
	// Staged counts what lies about that is not visible (files in tmp/).
	// Nil: the deliverer leaves nothing that could be counted.
	Staged func(t testing.TB) int
	// ByReceipt returns the message that a receipt names. Nil: receipts of
	// this target cannot be read back.
	ByReceipt func(t testing.TB, receipt string) []byte
}

// Run runs all cases as subtests of t.
func Run(t *testing.T, h Harness) {
	if h.Canon == nil {
		h.Canon = func(sent []byte) []byte { return sent }
	}
	if h.StagingMemory == 0 {
		h.StagingMemory = 4 << 20
	}
	cases := []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"empty", testEmpty},
		{"one", testOne},
		{"many", testMany},
		{"bodies", testBodies},
		{"readers", testReaders},
		{"big", testBig},
		{"failing body", testFailingBody},
		{"cancelled", testCancelled},
		{"cancelled publish", testCancelledPublish},
		{"abort", testAbort},
		{"divide", testDivide},
		{"try", testTry},
		{"invisible", testInvisible},
		{"overlap", testOverlap},
		{"parallel", testParallel},
		{"close", testClose},
		{"recover published", testRecoverPublished},
		{"recover prepared", testRecoverPrepared},
		{"fault", testFault},
		{"crash", testCrash},
		{"mutations", testMutations},
	}
	for _, c := range cases {
		h.sub(t, c.name, c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// sub runs one case, or skips it if the harness says so.
func (h Harness) sub(t *testing.T, name, key string, run func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		if why, ok := h.Skip[key]; ok {
			t.Skip(why)
		}
		run(t)
	})
}
