package pop3

import (
	"testing"
	"time"
)

func TestFirstByte(t *testing.T) {
	t.Parallel()
	const idle = time.Minute
	for size, want := range map[int64]time.Duration{
		-1: idle, 0: idle, 1: idle, 100 << 10: idle, 1 << 20: idle + 8*time.Second, 25 << 20: idle + 200*time.Second,
		1 << 30: idle + maxFirstByte, absurd: idle + maxFirstByte, absurd + 1: idle, 1<<63 - 1: idle,
	} {
		if got := firstByte(idle, size); got != want {
			t.Errorf("%d octets: %s, want %s", size, got, want)
		}
	}
}

// TestGuard: what is not known, or cannot be so, does not make a message too long.
func TestGuard(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]int64{
		-1: guardUnknown, 0: guardUnknown, 1: 4 + guardSlack, 2 << 30: 8<<30 + guardSlack, absurd + 1: guardUnknown, 1<<63 - 1: guardUnknown,
	} {
		if got := guard(size); got != want {
			t.Errorf("guard(%d) = %d, want %d", size, got, want)
		}
	}
}
