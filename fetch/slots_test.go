package fetch

import (
	"context"
	"strings"
	"sync/atomic"
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
