package session

import "testing"

func TestWaitsForUIDL(t *testing.T) {
	for _, tc := range []struct {
		announced, known, headers bool
		refusals                  int
		want                      bool
	}{
		{false, false, true, 1, false},
		{false, false, false, 1, false},
		{true, false, true, 1, true},
		{true, false, true, uidlPatience + 1, false},
		{false, true, true, 1, true},
		{false, true, true, uidlPatience + 1, false},
		{false, true, false, 99, true},
		{true, true, false, 99, true},
	} {
		if got := waitsForUIDL(tc.announced, tc.known, tc.headers, tc.refusals); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
