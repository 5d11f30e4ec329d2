package pop3

import (
	"context"
	"io"
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
		-1: maxUnknownBody, 0: maxUnknownBody, 1: 4 + bodySlack, 2 << 30: 8<<30 + bodySlack, absurd + 1: maxUnknownBody,
		1<<63 - 1: maxUnknownBody,
	} {
		if got := maxBody(size); got != want {
			t.Errorf("maxBody(%d) = %d, want %d", size, got, want)
		}
	}
}

// TestFirstLineWait: in a session, the wait for the first line grows with the size
// of the message, and the one for the next line does not.
func TestFirstLineWait(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		size         int64
		err          string
	}{
		{"large", "C: RETR 1\nW 100s\nS: +OK\nS: x\nS: .\nC: STAT\nS: +OK 1 1", 10 << 20, ""},
		{"too slow for its size", "C: RETR 1\nW 200s", 10 << 20, "retr 1: timeout"},
		{"small", "C: RETR 1\nW 100s", 100, "retr 1: timeout"},
		{"silent in the body", "C: RETR 1\nW 100s\nS: +OK\nS: x\nW 100s", 10 << 20, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := talk(t, Server{Idle: time.Minute}, capaLock+tt.script, func(ctx context.Context, c *Client) error {
				return c.Retrieve(ctx, []Message{{"a", tt.size, 1}}, func(_ Message, body io.Reader, err error) error {
					if err == nil {
						_, err = io.Copy(io.Discard, body)
					}
					return err
				})
			})
			wantErr(t, err, tt.err)
		})
	}
}
