package fetch

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/schedule"
)

// Fetcher runs accounts. Its fields are set before the first call and not
// changed afterwards.
type Fetcher struct {
	// StateDir holds one state file a maildrop.
	StateDir string
	// Parallel is how many accounts run at a time, PerHost how many of them
	// against one server. Zero: 4, and no limit.
	Parallel, PerHost int
	// Recover settles intents by their kind.
	Recover map[string]deliver.RecoverFunc
	// Batch is the most messages in one transaction. Zero: commit.DefaultBatch.
	Batch int
	// Grace is how long a cancelled run may finish what it holds. Zero:
	// commit.DefaultGrace.
	Grace time.Duration
	// Log receives what happens, Reporter the progress; both may be nil.
	Log      *slog.Logger
	Reporter Reporter
	// Now replaces time.Now in tests.
	Now func() time.Time

	longList int             // in tests: if not 0, in place of the constant
	batchAge time.Duration   // the same
	pauses   []time.Duration // in tests: if not nil, in place of the usual ones
}

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) log() *slog.Logger {
	if f.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Log
}

func (f *Fetcher) grace() time.Duration { return cmp.Or(f.Grace, commit.DefaultGrace) }

func (f *Fetcher) report(e Event) {
	if f.Reporter != nil {
		f.Reporter.Report(e)
	}
}

// Run fetches each account once and returns one summary for each, in their order.
// They also begin in this order, as far as a busy host lets them. The Reporter
// gets their ends in the order in which they left their worker slots; those that
// a done ctx kept from beginning have a summary only. An account that fails does
// not stop the others. A done ctx ends all of them.
func (f *Fetcher) Run(ctx context.Context, accounts []*Account) []Summary {
	hosts := make([]string, len(accounts))
	for i, a := range accounts {
		hosts[i] = a.Server.Host
	}
	sums, order := make([]Summary, len(accounts)), newReportOrder()
	left := schedule.Each(ctx, hosts, f.Parallel, f.PerHost, func(i int, release func()) {
		sums[i] = f.poll(ctx, accounts[i], &workerSlot{order: order, release: release})
	})
	for _, i := range left {
		sums[i] = Summary{Account: accounts[i].Name, Started: f.now(), Stopped: true, NotBegun: true, Err: stopped(ctx, ctx.Err())}
	}
	return sums
}

// Plan lists the maildrop and says what Run would do. It changes nothing, here
// or on the server, and holds the state only while it compares: a run that
// starts meanwhile is not kept waiting by the network. Notes are facts that a
// person should know.
func (f *Fetcher) Plan(ctx context.Context, a *Account) (todo plan.Plan, notes []string, err error) {
	h := f.prepare(a)
	if err := h.reading(ctx, h.load); err != nil {
		return plan.Plan{}, nil, err
	}
	if err := h.Drop.Dialer.Await(ctx, false); err != nil {
		return plan.Plan{}, nil, err
	}
	todo, err = h.plan(ctx)
	return todo, h.Journal.Notes(), err
}

func (h *Held) plan(ctx context.Context) (todo plan.Plan, err error) {
	s, err := h.Drop.Open(ctx)
	if err != nil {
		return plan.Plan{}, err
	}
	defer s.Leave()
	err = h.reading(ctx, func() (err error) {
		h.Drop.Book.DB = h.DB
		todo, err = s.Plan(ctx)
		return err
	})
	if err != nil {
		return plan.Plan{}, err
	}
	return todo, s.Client.Quit(ctx)
}
