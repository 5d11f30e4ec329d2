package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// Held is an account whose state, and so whose maildrop, no other process works
// on: what a run, and whatever else asks the server, begins with.
type Held struct {
	Account *Account
	DB      *state.DB // nil in a Plan before the first run
	Facts   state.Facts
	// Failures are those on record.
	Failures map[state.Key][]state.Failure
	// Known is how many entries the state holds, done or not.
	Known int
	// Earlier is what runs delivered that ended before they could record themselves.
	Earlier state.Unrecorded
	Targets *commit.Targets
	Drop    *session.Maildrop
	Journal *ledger.Journal
	Ledger  *ledger.Ledger

	f *Fetcher
}

func (f *Fetcher) prepare(a *Account) *Held {
	log := f.log().With("account", a.Name)
	return &Held{
		Account: a,
		Targets: commit.NewTargets(log, a.Targets, a.Quarantine),
		Journal: ledger.NewJournal(log, f.now, func(p ledger.Progress) { f.report(Event{Account: a.Name, Progress: p}) }),
		f:       f,
	}
}

// Hold calls fn while it holds the account's state.
func (f *Fetcher) Hold(ctx context.Context, a *Account, fn func(*Held) error) error {
	h := f.prepare(a)
	return h.holding(ctx, func() error { return fn(h) })
}

// StatePath is the account's state file.
func (h *Held) StatePath() string { return state.Path(h.f.StateDir, h.Account.ID) }

func (h *Held) holding(ctx context.Context, fn func() error) (err error) {
	h.DB, err = state.OpenContext(ctx, h.StatePath(), state.Options{Wait: h.Account.Wait})
	if err != nil {
		return inUse(err)
	}
	defer func() {
		if cerr := h.DB.Close(); err == nil {
			err = cerr
		}
	}()
	if err := h.load(); err != nil {
		return err
	}
	return fn()
}

// reading calls fn with the state open for reading; DB is nil before the first
// run.
func (h *Held) reading(ctx context.Context, fn func() error) (err error) {
	h.DB, err = state.OpenContext(ctx, h.StatePath(), state.Options{Wait: h.Account.Wait, ReadOnly: true})
	if errors.Is(err, os.ErrNotExist) {
		h.DB = nil
		return fn()
	}
	if err != nil {
		return inUse(err)
	}
	defer func() {
		_ = h.DB.Close()
		h.DB = nil
	}()
	return fn()
}

// inUse says in words for a person that the state is locked.
func inUse(err error) error {
	if !errors.Is(err, state.ErrLocked) {
		return err
	}
	return &Error{Exit: ExitTemp, Err: errors.New("another run is working on this maildrop"), Why: WhyInUse}
}

// load reads what is on record of the maildrop and its server, and joins what
// its sessions need.
func (h *Held) load() error {
	if h.DB != nil {
		err := h.DB.View(func(v *state.View) error {
			h.Facts, h.Failures, h.Known, h.Earlier = v.Facts(), v.Failures(), v.Len(), v.Unrecorded()
			return nil
		})
		if err != nil {
			return err
		}
		now := h.Journal.Now()
		if plan.NoteJump(&h.Facts, now) {
			h.Journal.Note(jumpNote(&h.Facts))
		}
		session.Recheck(&h.Facts, now)
	}
	h.join()
	return nil
}

func (h *Held) join() {
	a := h.Account
	h.Ledger = ledger.New(h.Journal, &a.Policy, h.Failures, a.Quarantine != nil)
	side := &commit.Side{
		Account: a.Name, Host: a.Server.Host, Policy: &a.Policy, Targets: h.Targets, DB: h.DB, Ledger: h.Ledger, Journal: h.Journal,
		Batch: h.f.Batch, BatchAge: h.f.batchAge, Grace: h.f.grace(),
	}
	dialer := &session.Dialer{
		Server: a.Server, UTF8: a.UTF8, Wait: a.Wait, Renew: a.Renew, Keep: a.Policy.Keep, ProveEach: side.Limit() == 1,
		Facts: &h.Facts, Journal: h.Journal,
	}
	book := &session.Book{
		DB: h.DB, Facts: &h.Facts, Policy: &a.Policy, Limits: a.Limits, Targets: h.Targets.IDs(), LongList: h.f.longList,
		Ledger: h.Ledger, Journal: h.Journal,
	}
	h.Drop = session.New(dialer, book, side, a.Limits.Rate)
	h.Drop.Exactly = a.Exactly
}

// Recover settles what an interrupted run left. What is done by that counts as
// fetched by this run, as no other run counts it, and `plan` said that it would be.
func (h *Held) Recover(ctx context.Context) error {
	visible, err := commit.Recover(ctx, h.DB, h.Account.Targets, h.f.Recover, h.Journal)
	if err != nil || len(visible) == 0 {
		return err
	}
	done := make(map[state.Key]bool, len(visible))
	err = h.DB.View(func(v *state.View) error {
		for _, k := range visible {
			if e, _ := v.Get(k); e.Done && !done[k] {
				done[k] = true
				h.Ledger.Recovered(&e)
			}
		}
		return nil
	})
	if h.Drop.Exactly != nil {
		h.Drop.Exactly = h.Drop.Exactly.Completed(done)
	}
	return err
}

// jumpNote says that the clock was set.
func jumpNote(f *state.Facts) string {
	by, way := f.ClockJumped.Sub(f.ClockFrom), "after"
	if by < 0 {
		by, way = -by, "before"
	}
	gap := ledger.Counted(int(by.Hours()/24), "day")
	if by < 48*time.Hour {
		gap = by.Round(time.Minute).String()
	}
	return fmt.Sprintf("this run is %s %s the last one: if mailhaul was not stopped so long, the clock was set; what is kept and remembered for so many days counts them from now on", gap, way)
}

// Look opens a session for a look that deletes nothing, and calls fn with what is listed.
func (h *Held) Look(ctx context.Context, fn func(*session.Session, []plan.Item) error) error {
	if err := h.Drop.Dialer.Await(ctx, false); err != nil {
		return err
	}
	s, items, err := h.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Leave()
	if err := fn(s, items); err != nil {
		return err
	}
	return s.Client.Quit(ctx)
}

// Open opens a session, once the server allows it, and returns the listed
// messages. Who asks the server for the first time in a run calls Await before.
func (h *Held) Open(ctx context.Context) (*session.Session, []plan.Item, error) {
	if err := h.Drop.Dialer.Await(ctx, true); err != nil {
		return nil, nil, err
	}
	s, err := h.Drop.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	var items []plan.Item
	if err = h.DB.Apply(&state.Change{Facts: &h.Facts}); err == nil { // the login, for its LOGIN-DELAY
		err = s.Name(ctx)
	}
	if err == nil {
		items, err = s.Rows()
	}
	if err != nil {
		s.Leave()
		return nil, nil, err
	}
	return s, items, nil
}
