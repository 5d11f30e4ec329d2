package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// moody is a target that fails now and then, in each way it can.
type moody struct {
	deliver.Deliverer
	add, prepare *rand.Rand // of the network side and of the commit side
}

func fails(rng *rand.Rand, classes ...deliver.Class) error {
	if rng.IntN(6) > 0 {
		return nil
	}
	return &deliver.Error{Class: classes[rng.IntN(len(classes))], Err: errors.New("moody")}
}

func (m *moody) Begin(ctx context.Context) (deliver.Batch, error) {
	if err := fails(m.add, deliver.Unavailable, deliver.CannotCreate); err != nil {
		return nil, err
	}
	b, err := m.Deliverer.Begin(ctx)
	return moodyBatch{b, m}, err
}

type moodyBatch struct {
	deliver.Batch
	m *moody
}

func (b moodyBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if err := fails(b.m.add, deliver.Later, deliver.Unavailable, deliver.IOError); err != nil {
		return err
	}
	return b.Batch.Add(ctx, e, body)
}

func (b moodyBatch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	if err := fails(b.m.prepare, deliver.IOError); err != nil {
		return nil, err
	}
	return b.Batch.Prepare(ctx)
}

// history is a maildrop, what happened to it, and what should come of it.
type history struct {
	*fetchtest.Rig
	rng  *rand.Rand
	want map[string]bool // bodies that must be in each target at the end
	now  time.Time
}

var historyPolicies = []plan.Policy{
	{}, {Keep: plan.Keep{None: true}}, {Keep: plan.Keep{Newest: 3}}, {}, {Keep: plan.Keep{Days: 1}},
	{Keep: plan.Keep{Below: 500, Newest: 6}},
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 7)), want: map[string]bool{}, now: time.Now()}
	var faults []pop3test.Fault
	for num := range 12 * int(seed%2) {
		faults = append(faults, pop3test.Fault{On: fmt.Sprint("RETR ", 1+num), Nth: 1 + h.rng.IntN(3), Do: pop3test.Err("no")})
	}
	for n := range 3 * int(seed%3) {
		faults = append(faults, pop3test.Fault{On: "QUIT", Nth: 2 + 5*n + h.rng.IntN(5), Do: pop3test.Cut()})
	}
	for n := range 2 * int(seed%4) {
		faults = append(faults, pop3test.Fault{On: "RETR", Nth: 3 + 9*n + h.rng.IntN(9), After: 20, Do: pop3test.Cut()})
	}
	h.Rig = fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{Faults: faults})
	h.Account.Policy = historyPolicies[seed%uint64(len(historyPolicies))]
	h.Account.Policy.MaxSize, h.Account.Policy.Poison, h.Account.Policy.OnReject = 100, 3, plan.KeepOnServer
	h.Fetcher.Batch = 1 + h.rng.IntN(4)
	fetch.SetLongList(h.Fetcher, int(seed%4)) // 0 is the usual bound
	h.Fetcher.Now = func() time.Time { return h.now }
	if seed%5 < 2 {
		path := filepath.Join(h.Dir, "Second")
		h.Account.Targets = append(h.Account.Targets, commit.Target{ID: "second", Deliverer: &moody{
			Deliverer: maildir.New(maildir.Options{Path: path}),
			add:       rand.New(rand.NewPCG(seed, 8)),
			prepare:   rand.New(rand.NewPCG(seed, 9)),
		}})
	}
	return h
}

// happen is one thing that others do to the maildrop.
func (h *history) happen(n int) {
	at := h.Drop.Len()
	switch {
	case h.rng.IntN(2) == 0:
		if h.rng.IntN(4) == 0 {
			at = h.rng.IntN(at + 1)
		}
		body := fmt.Sprintf("Message-ID: <%d@test>\r\n\r\n", n)
		if h.rng.IntN(4) == 0 {
			body += strings.Repeat("x", 100) + "\r\n"
		} else {
			h.want[strings.ReplaceAll(body, "\r\n", "\n")] = true
		}
		h.Drop.Insert(at, fmt.Sprint("u", n), []byte(body))
	case at > 0 && h.rng.IntN(2) == 0:
		if h.rng.IntN(2) == 0 {
			at = 1 + h.rng.IntN(at)
		}
		gone := h.Drop.Messages()[at-1] // perhaps before anybody could fetch it
		delete(h.want, strings.ReplaceAll(string(gone.Body), "\r\n", "\n"))
		h.Drop.Remove(at - 1)
	}
}

// check compares a target with what should be there: nothing twice, nothing
// missing.
func (h *history) check(dir string) {
	h.T.Helper()
	names, err := filepath.Glob(filepath.Join(h.Dir, dir, "new", "*"))
	if err != nil {
		h.T.Fatal(err)
	}
	times, want := map[string]int{}, maps.Clone(h.want)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			h.T.Fatal(err)
		}
		times[string(b)]++
		if delete(want, string(b)); times[string(b)] > 1 || len(b) > 100 {
			h.T.Errorf("%s: %q is there %d times", dir, b, times[string(b)])
		}
	}
	if len(want) > 0 {
		h.T.Errorf("%s: missing: %q", dir, slices.Sorted(maps.Keys(want)))
	}
}

// TestHistories: messages come at any place, leave, are too big, are refused
// for a while; sessions break, and a target fails. Whatever the policy, each
// message is in each target once, and what was deleted is there.
func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, seed)
			for n := range 80 {
				h.happen(n)
				if h.rng.IntN(2) == 0 {
					h.Run()
					h.now = h.now.Add(time.Hour)
				}
			}
			last := fetch.Summary{Fetched: 1}
			for n := 0; n < 60 && (n < 12 || last.Err != nil || last.Fetched > 0); n++ { // until the faults are used up
				last = h.Run()
				h.now = h.now.Add(8 * 24 * time.Hour) // longer than any pause
			}
			if last.Err != nil || last.Fetched > 0 {
				t.Errorf("at the end: %+v", last)
			}
			for i := range h.Account.Targets {
				h.check([]string{"Maildir", "Second"}[i])
			}
		})
	}
}
