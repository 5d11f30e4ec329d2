package commit

import (
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestBatchSize: batches grow from the first, shrink towards the last, and few
// messages are one batch.
func TestBatchSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n, most int
		want    []int
	}{
		{1, 400, []int{1}},
		{128, 400, []int{128}},
		{129, 400, []int{64, 65}},
		{1000, 400, []int{64, 128, 256, 276, 138, 69, 69}},
		{2000, 400, []int{64, 128, 256, 400, 400, 376, 188, 94, 94}},
		{25, 10, []int{10, 10, 5}},
		{3, 1, []int{1, 1, 1}},
	} {
		var got []int
		for left, usual := tt.n, firstBatch; left > 0; {
			n := batchSize(usual, left, tt.most)
			got, left, usual = append(got, n), left-n, 2*n
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d messages, at most %d at once: %v, want %v", tt.n, tt.most, got, tt.want)
		}
	}
}

// TestOrderOfParts: one order for all accounts, and files that are locked
// before what may take its time.
func TestOrderOfParts(t *testing.T) {
	t.Parallel()
	atOnce := struct {
		deliver.Deliverer
		deliver.BatchLimiter
	}{}
	targets := []Target{{"lmtp:a:1", atOnce}, {"mbox:two", nil}, {"pipe:sh", atOnce}, {"mbox:one", nil}}
	var got []string
	parts := make([]*part, len(targets))
	for i := range targets {
		parts[i] = &part{target: &targets[i]}
	}
	slices.SortStableFunc(parts, inOrder)
	for _, p := range parts {
		got = append(got, p.target.ID)
	}
	want := []string{"mbox:one", "mbox:two", "lmtp:a:1", "pipe:sh"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
