package delivertest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// testRecoverPublished: intents that were carried out but not settled. That
// they are recovered twice changes nothing.
func testRecoverPublished(t *testing.T, h Harness) {
	target := h.open(t)
	sent := bodies(3)[:maxBatch(target, 3)]
	b := begin(t, target)
	add(t, b, sent...)
	intents := prepare(t, b, len(sent))
	publish(t, b, intents)
	closeNow(t, target)
	for round := range 2 {
		for i, intent := range intents {
			fate := h.recover(t, intent)
			if fate != deliver.Visible && !(h.Uncertain && fate == deliver.Unknown) {
				t.Errorf("round %d, message %d: fate %d, want Visible (%d)", round, i, fate, deliver.Visible)
			}
		}
		h.checkVisible(t, target, sent...)
		checkStaged(t, target)
	}
}

// testRecoverPrepared: intents that were recorded but not carried out. The
// fate must be true and stay the same when it is asked for again; with what is
// then delivered again, each message is there once.
func testRecoverPrepared(t *testing.T, h Harness) {
	h.Ordered = false
	dir := t.TempDir()
	target := h.openAt(t, dir)
	sent := bodies(3)[:maxBatch(target, 3)]
	b := begin(t, target)
	add(t, b, sent...)
	intents := prepare(t, b, len(sent))
	closeNow(t, target)
	var visible, again [][]byte
	for i, intent := range intents {
		first := h.recover(t, intent)
		if second := h.recover(t, intent); second != first && !h.Uncertain {
			t.Errorf("message %d: fate %d, asked again %d", i, first, second)
		}
		switch {
		case first == deliver.Visible:
			visible = append(visible, sent[i])
		case first == deliver.Absent || h.Uncertain:
			again = append(again, sent[i])
		default:
			t.Errorf("message %d: fate Unknown", i)
		}
	}
	checkStaged(t, target)
	if h.Uncertain {
		h.checkWhole(t, target, sent)
		return
	}
	h.checkVisible(t, target, visible...)
	if h.InDir {
		send(t, h.openAt(t, dir), again...)
		h.checkVisible(t, target, sent...)
	}
}

// checkWhole: nothing but whole messages is visible, each at most once.
func (h Harness) checkWhole(t testing.TB, target Target, sent [][]byte) {
	t.Helper()
	for _, got := range target.Read(t) {
		i := slices.IndexFunc(sent, func(m []byte) bool { return bytes.Equal(h.Canon(m), got) })
		if i < 0 {
			t.Errorf("visible twice, or never sent: %s", outline([][]byte{got}))
			continue
		}
		sent = slices.Concat(sent[:i], sent[i+1:])
	}
}

func (h Harness) recover(t testing.TB, intent deliver.Intent) deliver.Fate {
	t.Helper()
	fate, err := h.Recover(context.Background(), intent)
	if err != nil {
		t.Errorf("recover: %v", err)
	}
	return fate
}

func closeNow(t testing.TB, target Target) {
	t.Helper()
	if err := target.Deliverer.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
