package delivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// open makes a fresh target that is closed when the test ends.
func (h Harness) open(t *testing.T) Target {
	t.Helper()
	return h.openAt(t, t.TempDir())
}

func (h Harness) openAt(t testing.TB, dir string) Target {
	t.Helper()
	target := h.Open(t, dir)
	t.Cleanup(func() {
		if err := target.Deliverer.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return target
}

// envelope is one with every field set, and some of them hostile.
func envelope(n int) deliver.Envelope {
	return deliver.Envelope{
		Account: "test", UID: fmt.Sprintf("../%d\x1b\n", n), Size: -1,
		Date:   time.Date(2020, 2, 29, 23, 59, n%60, 0, time.UTC),
		Sender: "alice@example.org", HasSender: true,
	}
}

func begin(t testing.TB, target Target) deliver.Batch {
	t.Helper()
	b, err := target.Deliverer.Begin(context.Background())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return b
}

func add(t testing.TB, b deliver.Batch, bodies ...[]byte) {
	t.Helper()
	for i, body := range bodies {
		if err := b.Add(context.Background(), envelope(i), bytes.NewReader(body)); err != nil {
			t.Fatalf("add message %d: %v", i, err)
		}
	}
}

// prepare returns deep copies, so that nothing but the intents' own bytes can
// reach a later Recover.
func prepare(t testing.TB, b deliver.Batch, want int) []deliver.Intent {
	t.Helper()
	intents, err := b.Prepare(context.Background())
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	if len(intents) != want {
		t.Fatalf("prepare: %d intents, want %d", len(intents), want)
	}
	intents = slices.Clone(intents)
	for i := range intents {
		intents[i].Data = bytes.Clone(intents[i].Data)
		if intents[i].Kind == "" || len(intents[i].Receipt) > 255 {
			t.Errorf("intent %d: kind %q, receipt of %d bytes", i, intents[i].Kind, len(intents[i].Receipt))
		}
	}
	return intents
}

// publish returns the receipts.
func publish(t testing.TB, b deliver.Batch, intents []deliver.Intent) []string {
	t.Helper()
	results := b.Publish(context.Background())
	if len(results) != len(intents) {
		t.Fatalf("publish: %d results, want %d", len(results), len(intents))
	}
	receipts := make([]string, len(results))
	for i, r := range results {
		if r.Err != nil {
			t.Errorf("publish message %d: %v", i, r.Err)
		}
		if receipts[i] = r.Receipt; r.Receipt == "" {
			receipts[i] = intents[i].Receipt
		}
	}
	return receipts
}

// send delivers all bodies, in as many batches as the deliverer asks for.
func send(t testing.TB, target Target, bodies ...[]byte) (receipts []string) {
	t.Helper()
	for part := range slices.Chunk(bodies, maxBatch(target, len(bodies))) {
		b := begin(t, target)
		add(t, b, part...)
		receipts = append(receipts, publish(t, b, prepare(t, b, len(part)))...)
	}
	return receipts
}

// maxBatch is n, or less if the deliverer limits its batches; at least 1.
func maxBatch(target Target, n int) int {
	if l, ok := target.Deliverer.(deliver.BatchLimiter); ok {
		n = min(n, l.MaxBatch())
	}
	return max(n, 1)
}

// checkVisible compares what is visible with what was sent, in canonical form
// and in order if the target keeps one.
func (h Harness) checkVisible(t testing.TB, target Target, sent ...[]byte) {
	t.Helper()
	if err := h.compare(target.Read(t), sent); err != nil {
		t.Error(err)
	}
}

func (h Harness) compare(got, sent [][]byte) error {
	want := make([][]byte, len(sent))
	for i, body := range sent {
		want[i] = h.Canon(body)
	}
	got = slices.Clone(got)
	if !h.Ordered {
		slices.SortFunc(got, bytes.Compare)
		slices.SortFunc(want, bytes.Compare)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d messages are visible, want %d: %s", len(got), len(want), outline(got))
	}
	var errs []error
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			errs = append(errs, fmt.Errorf("message %d: got %s, want %s", i, outline(got[i:i+1]), outline(want[i:i+1])))
		}
	}
	return errors.Join(errs...)
}

// outline shows messages that may be long.
func outline(messages [][]byte) (s string) {
	for _, m := range messages {
		if len(m) <= 80 {
			s += fmt.Sprintf("%q ", m)
			continue
		}
		s += fmt.Sprintf("%q...%q (%d bytes) ", m[:30], m[len(m)-30:], len(m))
	}
	return s
}

func checkStaged(t testing.TB, target Target) {
	t.Helper()
	if target.Staged == nil {
		return
	}
	if n := target.Staged(t); n != 0 {
		t.Errorf("%d staged messages are left", n)
	}
}

func bodies(n int) (all [][]byte) {
	for i := range n {
		all = append(all, fmt.Appendf(nil, "Subject: %03d\n\nbody %d\n", i, i))
	}
	return all
}
