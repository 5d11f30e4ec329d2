//go:build unix

package process

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCall: a call that never returns ends after the limit, or with the context.
func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		silent := func() (string, error) { <-release; return "", nil }
		began := time.Now()
		_, err := Call(t.Context(), 15*time.Second, silent)
		if e, ok := errors.AsType[*LateError](err); !ok || e.Limit != 15*time.Second || time.Since(began) != e.Limit {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := Call(ctx, time.Minute, silent); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestRun: how a command ends.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, script string
		limit        time.Duration
		stop         bool
		err          string
	}{
		{"well", "exit 0", time.Minute, false, ""},
		{"badly", "exit 3", time.Minute, false, "exit status 3"},
		{"child left", "sleep 3 & exit 0", time.Minute, false, ""},
		{"limit", "sleep 1000; exit 1", 200 * time.Millisecond, false, "took longer than 200ms"},
		{"stopped", "sleep 1000; exit 1", time.Minute, true, "context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			if c.stop {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			defer cancel()
			err := Run(ctx, c.limit, []string{"sh", "-c", c.script}, func(cmd *Cmd) { cmd.Stdout = &strings.Builder{} })
			if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRunEndsDescendants: a child that ignores SIGTERM does not outlive Run. The
// pipe ends when nobody holds it any more.
func TestRunEndsDescendants(t *testing.T) {
	if tty, err := os.Open("/dev/tty"); err == nil {
		tty.Close()
		t.Skip("with a terminal, a command's children may ask there")
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), 300*time.Millisecond, []string{"sh", "-c", "trap '' TERM; sh -c 'sleep 1000; true'; true"},
		func(cmd *Cmd) { cmd.Stdin = out })
	if err == nil {
		t.Error("no error")
	}
	out.Close()
	_ = in.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := in.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a descendant is still there: %v", err)
	}
}

// TestOutputIsBounded: what a command prints without end is not kept without end.
func TestOutputIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &Output{Max: 1 << 20, Full: cancel}
	err := Run(ctx, time.Minute, []string{"sh", "-c", "yes; exit 1"}, func(cmd *Cmd) { cmd.Stdout = out })
	if !errors.Is(err, context.Canceled) || len(out.Bytes()) != 1<<20 {
		t.Errorf("%v, %d bytes", err, len(out.Bytes()))
	}
}
