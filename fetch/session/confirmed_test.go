package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// TestPausesBetweenLooks: as long as there is progress, or it is purge that
// looks, but never for ever.
func TestPausesBetweenLooks(t *testing.T) {
	t.Parallel()
	all := []time.Duration{1, 2, 4, 8}
	for _, tt := range []struct {
		name    string
		patient bool
		found   []int
		want    string
	}{
		{"no progress", false, []int{5, 5, 5, 5}, "[1 2]"},
		{"no progress, patient", true, []int{5, 5, 5, 5, 5, 5}, "[1 2 4 8]"},
		{"progress", false, []int{9, 7, 5, 3, 1}, "[1 2 4 8]"},
		{"unread", false, []int{Unread, Unread, Unread}, "[1 2]"},
		{"unread, then read", false, []int{Unread, Unread, 3, 2, 1}, "[1 2 4 8]"},
	} {
		c := NewConfirmed(all, tt.patient)
		if n := c.Add([]state.Key{"a", "b", "a"}, nil); n != 3 {
			t.Errorf("%s: %d added", tt.name, n)
		}
		var got []time.Duration
		for _, n := range tt.found {
			d, ok := c.Next(n)
			if !ok {
				break
			}
			got = append(got, d)
		}
		if s := strings.ReplaceAll(fmt.Sprint(got), "ns", ""); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
		if n := c.Add([]state.Key{"b", "c"}, map[state.Key]bool{"b": false}); n != 1 {
			t.Errorf("%s: one that was deleted before counts again: %d", tt.name, n)
		}
		if n := c.Add([]state.Key{"b"}, map[state.Key]bool{"b": true}); n != 1 {
			t.Errorf("%s: another message under the key does not count: %d", tt.name, n)
		}
	}
}
