package plan

import (
	"slices"
	"testing"
	"time"
)

// TestByAge: messages first seen under a clock that was ahead do not push new mail
// out.
func TestByAge(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	never := time.Time{}
	for name, c := range map[string]struct {
		first []time.Time
		from  time.Time
		want  []int32
	}{
		"by day":                    {[]time.Time{day(-3), day(-1), day(-2)}, never, []int32{1, 2, 0}},
		"one run":                   {[]time.Time{day(-1), day(-1)}, never, []int32{1, 0}},
		"new":                       {[]time.Time{never, day(-1)}, never, []int32{0, 1}},
		"ten years ahead":           {[]time.Time{day(3653), day(3650), day(-1), never}, day(-2), []int32{3, 2, 1, 0}},
		"ahead, and before a jump":  {[]time.Time{day(3650), day(-9), day(-1)}, day(-2), []int32{2, 0, 1}},
		"ahead, no jump known":      {[]time.Time{day(3650), never, day(-1)}, never, []int32{1, 0, 2}},
		"a minute ahead is no jump": {[]time.Time{now.Add(time.Minute), now}, day(-2), []int32{0, 1}},
	} {
		if got := byAge(c.first, c.from, now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
