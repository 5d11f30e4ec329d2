package session

import "testing"

func TestSizeFits(t *testing.T) {
	for _, tc := range []struct {
		delivered, listed int64
		want              bool
	}{
		{5000, 5100, true}, {5000, 10_000, true}, {5000, 12_000, false}, {5000, 3000, false},
		{5000, -1, true}, {-1, 7, true}, {10, 0, true}, {1 << 20, 1 << 10, false},
	} {
		if got := sizeFits(tc.delivered, tc.listed); got != tc.want {
			t.Errorf("%d delivered, %d listed: %v", tc.delivered, tc.listed, got)
		}
	}
}
