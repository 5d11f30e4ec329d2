package fetch

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestToldInOrder: accounts are told of in the order in which they gave their
// slots back, whoever is ready first.
func TestToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		free := 0
		line := newLine()
		add := func() *place { return &place{line: line, free: func() { free++ }} }
		first, second, third := add(), add(), add()
		for _, p := range []*place{first, second, third} {
			p.offline()
			p.offline()
		}
		if free != 3 {
			t.Errorf("%d slots given back, want 3", free)
		}
		go third.tell(func() { told = append(told, "third") })
		go second.tell(func() { told = append(told, "second") })
		synctest.Wait()
		if told != nil {
			t.Errorf("told of %q before the first", told)
		}
		first.tell(func() { told = append(told, "first") })
		synctest.Wait()
		if got := strings.Join(told, " "); got != "first second third" {
			t.Errorf("told of %s", got)
		}
	})
}

// TestSlotsGoByOrder: accounts begin in their order, and who waits for a busy
// host keeps nobody else waiting.
func TestSlotsGoByOrder(t *testing.T) {
	for _, tc := range []struct {
		parallel, perHost int
		hosts, want       string // want: "-" means that nobody can begin until one ends
	}{
		{1, 0, "aaa", "0-1-2"},
		{1, 1, "aba", "0-1-2"},
		{2, 1, "aabb", "02-1-3"},
		{3, 2, "aaabc", "013-2-4"},
		{9, 0, "abc", "012"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSlots(tc.parallel, tc.perHost)
			var tasks, running []*task
			for _, host := range tc.hosts {
				tasks = append(tasks, s.add(string(host)))
			}
			got := make(chan *task)
			go func() {
				defer close(got)
				for next := s.next(t.Context()); next != nil; next = s.next(t.Context()) {
					got <- next
				}
			}()
			order := ""
			for open := true; open; {
				synctest.Wait()
				select {
				case next, ok := <-got:
					if open = ok; ok {
						order += strconv.Itoa(slices.Index(tasks, next))
						running = append(running, next)
					}
				default:
					order += "-"
					s.give(running[0].Host)
					running = running[1:]
				}
			}
			if order != tc.want {
				t.Errorf("%d at a time, %d a host, %s: %s, want %s", tc.parallel, tc.perHost, tc.hosts, order, tc.want)
			}
		})
	}
}

// TestFailureBesideSignal: a disk that is full when a signal comes is told of as
// such; a target that only gave up because of the signal is not.
func TestFailureBesideSignal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want Exit
		text string
	}{
		"disk full": {&deliver.Error{Class: deliver.IOError, Err: syscall.ENOSPC}, ExitIO, "no space left on device"},
		"given up":  {&deliver.Error{Class: deliver.Later, Err: context.Canceled}, ExitInterrupted, "stopped: the signal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
			g.add(3)
			ctx, cancel := context.WithCancelCause(t.Context())
			g.account.Targets[0].Deliverer = unprepared{g.account.Targets[0].Deliverer, func() error {
				cancel(errors.New("the signal"))
				return tc.err
			}}
			s := g.fetcher.Run(ctx, []*Account{g.account})[0]
			if !s.Stopped || ExitOf(s.Err) != tc.want || s.Err.Error() != tc.text || s.Fetched != 0 {
				t.Errorf("%v, exit %d, %d fetched", s.Err, ExitOf(s.Err), s.Fetched)
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
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.fetcher.Grace = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	g.account.After = func(ctx context.Context, _ *Summary) error {
		cancel()
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := g.fetcher.Run(ctx, []*Account{g.account})[0]
	if s.Err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "not done 50ms after") {
		t.Errorf("%v, notes %q", s.Err, s.Notes)
	}
}

// TestTargetsAreClosedInTheSlot: a relay sees no more connections than there
// are slots, however slowly it lets them go.
func TestTargetsAreClosedInTheSlot(t *testing.T) {
	t.Parallel()
	g := newRig(t, &pop3test.Maildrop{}, pop3test.Options{})
	g.add(1)
	var open, closes atomic.Int32
	accounts := make([]*Account, 3)
	for i, name := range []string{"a", "b", "c"} {
		a := *g.account
		a.Name, a.ID = name, name
		a.Targets = []Target{{ID: "maildir", Deliverer: &slowlyClosed{a.Targets[0].Deliverer, t, &open, &closes, false}}}
		accounts[i] = &a
	}
	g.fetcher.Parallel = 1
	for _, s := range g.fetcher.Run(t.Context(), accounts) {
		if s.Err != nil || s.Fetched != 1 {
			t.Errorf("%d fetched, %v", s.Fetched, s.Err)
		}
	}
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
	time.Sleep(100 * time.Millisecond)
	s.open.Add(-1)
	s.closes.Add(1)
	return s.Deliverer.Close()
}
