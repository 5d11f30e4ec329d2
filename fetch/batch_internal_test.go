package fetch

import (
	"slices"
	"testing"
)

// TestBatchSize: batches grow from the first, and the last is no small rest.
func TestBatchSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n, most int
		want    []int
	}{
		{1, 200, []int{1}},
		{100, 200, []int{100}},
		{128, 200, []int{128}},
		{129, 200, []int{64, 65}},
		{1000, 200, []int{64, 128, 200, 200, 200, 104, 104}},
		{401, 200, []int{64, 128, 105, 104}},
		{3, 1, []int{1, 1, 1}},
		{25, 10, []int{10, 8, 7}},
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
