package fetch_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFailureBesideSignal: a disk that is full when a signal comes is reported as
// such; a target that only gave up because of the signal is not.
func TestFailureBesideSignal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want fetch.Exit
		text string
	}{
		"disk full": {&deliver.Error{Class: deliver.IOError, Err: syscall.ENOSPC}, fetch.ExitIO, "no space left on device"},
		"given up":  {&deliver.Error{Class: deliver.Later, Err: context.Canceled}, fetch.ExitInterrupted, "stopped: the signal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.Add(3)
			ctx, cancel := context.WithCancelCause(t.Context())
			g.Account.Targets[0].Deliverer = unprepared{g.Account.Targets[0].Deliverer, func() error {
				cancel(errors.New("the signal"))
				return tc.err
			}}
			s := g.Fetcher.Run(ctx, []*fetch.Account{g.Account})[0]
			if !s.Stopped || fetch.ExitOf(s.Err) != tc.want || s.Err.Error() != tc.text || s.Fetched != 0 {
				t.Errorf("%v, exit %d, %d fetched", s.Err, fetch.ExitOf(s.Err), s.Fetched)
			}
		})
	}
}

// unprepared is a target whose batches cannot be prepared.
type unprepared struct {
	deliver.Deliverer
	why func() error
}

func (u unprepared) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := u.Deliverer.Begin(ctx)
	return unpreparedBatch{b, u.why}, err
}

type unpreparedBatch struct {
	deliver.Batch
	why func() error
}

func (b unpreparedBatch) Prepare(context.Context) ([]deliver.Intent, error) { return nil, b.why() }

// TestAfterIsBounded: a run that is to stop does not wait for its After.
func TestAfterIsBounded(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Fetcher.Grace = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	g.Account.After = func(ctx context.Context, _ *fetch.Summary) error {
		cancel()
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := g.Fetcher.Run(ctx, []*fetch.Account{g.Account})[0]
	if s.Err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "not done 50ms after") {
		t.Errorf("%v, notes %q", s.Err, s.Notes)
	}
}

// TestTargetsAreClosedInTheSlot: a relay sees no more connections than there
// are slots, however slowly it lets them go.
func TestTargetsAreClosedInTheSlot(t *testing.T) {
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.Add(1)
	var open, closes atomic.Int32
	accounts := make([]*fetch.Account, 3)
	for i, name := range []string{"a", "b", "c"} {
		a := *g.Account
		a.Name, a.ID = name, name
		a.Targets = []commit.Target{{ID: "maildir", Deliverer: &slowlyClosed{a.Targets[0].Deliverer, t, &open, &closes, false}}}
		accounts[i] = &a
	}
	g.Fetcher.Parallel = 1
	g.Piped(pop3test.Options{}, func(*pop3test.Server) {
		for _, s := range g.Fetcher.Run(context.Background(), accounts) {
			if s.Err != nil || s.Fetched != 1 {
				t.Errorf("%d fetched, %v", s.Fetched, s.Err)
			}
		}
	})
	if closes.Load() != 3 {
		t.Errorf("closed %d times, want 3", closes.Load())
	}
}

// slowlyClosed counts the targets that are open at a time.
type slowlyClosed struct {
	deliver.Deliverer
	t            *testing.T
	open, closes *atomic.Int32
	used         bool
}

func (s *slowlyClosed) Begin(ctx context.Context) (deliver.Batch, error) {
	if !s.used {
		s.used = true
		if n := s.open.Add(1); n > 1 {
			s.t.Errorf("%d targets are open", n)
		}
	}
	return s.Deliverer.Begin(ctx)
}

func (s *slowlyClosed) Close() error {
	time.Sleep(100 * time.Millisecond) // of a bubble's clock
	s.open.Add(-1)
	s.closes.Add(1)
	return s.Deliverer.Close()
}
