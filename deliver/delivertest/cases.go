package delivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/mailhaul/mailhaul/deliver"
)

func testEmpty(t *testing.T, h Harness) {
	target := h.open(t)
	b := begin(t, target)
	publish(t, b, prepare(t, b, 0))
	h.checkVisible(t, target)
	b = begin(t, target)
	if err := b.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	checkStaged(t, target)
}

func testOne(t *testing.T, h Harness) {
	target := h.open(t)
	for i := range 3 {
		send(t, target, bodies(3)[i])
		h.checkVisible(t, target, bodies(i+1)...)
		checkStaged(t, target)
	}
}

// testMany delivers enough for every path that depends on a batch's size, and
// checks that result i is message i.
func testMany(t *testing.T, h Harness) {
	target := h.open(t)
	sent := bodies(100)
	receipts := send(t, target, sent...)
	h.checkVisible(t, target, sent...)
	checkStaged(t, target)
	if target.ByReceipt == nil {
		return
	}
	for i, receipt := range receipts {
		if got := target.ByReceipt(t, receipt); !bytes.Equal(got, h.Canon(sent[i])) {
			t.Errorf("receipt %d %q: got %s", i, receipt, outline([][]byte{got}))
		}
	}
}

func testFailingBody(t *testing.T, h Harness) {
	target := h.open(t)
	sent := bodies(2)[:maxBatch(target, 2)]
	b := begin(t, target)
	for _, body := range sent {
		for _, half := range []string{"", "Subject: half\n\nha", strings.Repeat("half\n", 1<<16)} {
			// io.ErrUnexpectedEOF is what io.ReadFull makes of a normal end.
			for _, broken := range []error{errors.New("cut"), io.ErrUnexpectedEOF, io.ErrClosedPipe} {
				r := io.MultiReader(strings.NewReader(half), iotest.ErrReader(broken))
				if err := b.Add(context.Background(), envelope(0), r); !errors.Is(err, broken) {
					t.Errorf("add: got %v, want the body's own error %v", err, broken)
				}
			}
		}
		add(t, b, body)
	}
	publish(t, b, prepare(t, b, len(sent)))
	h.checkVisible(t, target, sent...)
	checkStaged(t, target)
}

func testCancelled(t *testing.T, h Harness) {
	target := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := begin(t, target)
	cancel()
	if err := b.Add(ctx, envelope(0), strings.NewReader("x\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("add: got %v, want context.Canceled", err)
	}
	add(t, b, bodies(1)...)
	publish(t, b, prepare(t, b, 1))
	h.checkVisible(t, target, bodies(1)...)
	checkStaged(t, target)
}

// testTry: a target that takes messages says so, and nothing is left of the trial.
func testTry(t *testing.T, h Harness) {
	target := h.open(t)
	for n := range 2 {
		if err := deliver.Try(t.Context(), target.Deliverer); err != nil {
			t.Errorf("try: %v", err)
		}
		h.checkVisible(t, target, bodies(n)...)
		checkStaged(t, target)
		send(t, target, bodies(1)...)
	}
}

// testDivide: what is whole is published while another message is still being
// added, and that one later.
func testDivide(t *testing.T, h Harness) {
	target := h.open(t)
	b := begin(t, target)
	d, ok := b.(deliver.Divider)
	if !ok {
		if err := b.Abort(); err != nil {
			t.Error(err)
		}
		t.Skip("not a deliver.Divider")
	}
	sent := bodies(4)
	add(t, b, sent[:2]...)
	r, w := io.Pipe()
	added := make(chan error)
	go func() { added <- b.Add(t.Context(), envelope(0), r) }()
	if _, err := w.Write(sent[2]); err != nil {
		t.Fatal(err)
	}
	first := d.Divide(2)
	publish(t, first, prepare(t, first, 2))
	h.checkVisible(t, target, sent[:2]...)
	_ = w.Close()
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	none := d.Divide(0)
	if err := none.Abort(); err != nil {
		t.Error(err)
	}
	add(t, b, sent[3])
	publish(t, b, prepare(t, b, 2))
	h.checkVisible(t, target, sent...)
	checkStaged(t, target)
}

// testCancelledPublish: whatever a done context stops, the results tell the
// truth.
func testCancelledPublish(t *testing.T, h Harness) {
	target := h.open(t)
	sent := bodies(3)[:maxBatch(target, 3)]
	b := begin(t, target)
	add(t, b, sent...)
	intents := prepare(t, b, len(sent))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results := b.Publish(ctx)
	if len(results) != len(intents) {
		t.Fatalf("%d results, want %d", len(results), len(intents))
	}
	var visible [][]byte
	for i, r := range results {
		var failed *deliver.Error
		switch {
		case r.Err == nil:
			visible = append(visible, sent[i])
		case !errors.As(r.Err, &failed) || failed.Class != deliver.Later:
			t.Errorf("message %d: got %#v, want class Later", i, r.Err)
		}
	}
	h.checkVisible(t, target, visible...)
}

func testAbort(t *testing.T, h Harness) {
	target := h.open(t)
	for _, prepared := range []bool{false, true} {
		b := begin(t, target)
		sent := bodies(3)[:maxBatch(target, 3)]
		add(t, b, sent...)
		if prepared {
			prepare(t, b, len(sent))
		}
		for range 2 {
			if err := b.Abort(); err != nil {
				t.Errorf("abort, prepared %v: %v", prepared, err)
			}
		}
		h.checkVisible(t, target)
		checkStaged(t, target)
	}
	send(t, target, bodies(1)...)
	h.checkVisible(t, target, bodies(1)...)
}

func testInvisible(t *testing.T, h Harness) {
	target := h.open(t)
	b := begin(t, target)
	sent := bodies(3)[:maxBatch(target, 3)]
	for _, body := range sent {
		add(t, b, body)
		h.checkVisible(t, target)
	}
	intents := prepare(t, b, len(sent))
	h.checkVisible(t, target)
	publish(t, b, intents)
	h.checkVisible(t, target, sent...)
	checkStaged(t, target)
}

// testOverlap stages the next batch while the last is being published, as the
// engine does.
func testOverlap(t *testing.T, h Harness) {
	target := h.open(t)
	n := maxBatch(target, 5)
	sent := bodies(4 * n)
	last := begin(t, target)
	add(t, last, sent[:n]...)
	for i := 1; i < 4; i++ {
		intents := prepare(t, last, n)
		next := begin(t, target)
		var wg sync.WaitGroup
		wg.Go(func() { publish(t, last, intents) })
		for _, body := range sent[i*n : (i+1)*n] {
			if err := next.Add(context.Background(), envelope(i), bytes.NewReader(body)); err != nil {
				t.Errorf("add: %v", err)
			}
		}
		wg.Wait()
		last = next
	}
	publish(t, last, prepare(t, last, n))
	h.checkVisible(t, target, sent...)
	checkStaged(t, target)
}

func testParallel(t *testing.T, h Harness) {
	if !h.InDir {
		t.Skip("each deliverer has a target of its own")
	}
	h.Ordered = false
	dir := t.TempDir()
	sent := bodies(80)
	targets := []Target{h.openAt(t, dir), h.openAt(t, dir)}
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() {
			for part := range 4 {
				from := i*40 + part*10
				if err := deliverTo(target.Deliverer, sent[from:from+10]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.checkVisible(t, targets[0], sent...)
	checkStaged(t, targets[0])
}

// deliverTo is send without a testing.TB, which only the test's own goroutine
// may end.
func deliverTo(d deliver.Deliverer, sent [][]byte) error {
	ctx := context.Background()
	b, err := d.Begin(ctx)
	if err != nil {
		return err
	}
	for i, body := range sent {
		if err := b.Add(ctx, envelope(i), bytes.NewReader(body)); err != nil {
			return err
		}
	}
	if _, err := b.Prepare(ctx); err != nil {
		return err
	}
	var errs []error
	for _, r := range b.Publish(ctx) {
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

func testClose(t *testing.T, h Harness) {
	unused := h.open(t)
	used := h.open(t)
	send(t, used, bodies(1)...)
	for _, target := range []Target{unused, used} {
		for range 2 {
			if err := target.Deliverer.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}
	h.checkVisible(t, used, bodies(1)...)
}
