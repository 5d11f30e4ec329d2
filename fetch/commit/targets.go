package commit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// Target is one place that messages go to.
type Target struct {
	// ID names the target in the state. It must not change while messages
	// are incomplete.
	ID string
	deliver.Deliverer
}

// limited reports whether the target cannot be queried after a crash, so that
// it takes few messages at a time.
func (t *Target) limited() bool {
	_, ok := t.Deliverer.(deliver.BatchLimiter)
	return ok
}

// Targets are the places of one account, and which of them take nothing more in
// this run. Both sides of the run use them.
type Targets struct {
	log        *slog.Logger
	list       []Target
	quarantine *Target // nil if there is none

	mu     sync.Mutex
	broken map[*Target]error
}

// NewTargets returns those of one run; quarantine may be nil.
func NewTargets(log *slog.Logger, list []Target, quarantine *Target) *Targets {
	return &Targets{log: log, list: list, quarantine: quarantine, broken: make(map[*Target]error)}
}

// IDs are those of the targets that a message must reach to be done.
func (ts *Targets) IDs() []string {
	ids := make([]string, len(ts.list))
	for i := range ts.list {
		ids[i] = ts.list[i].ID
	}
	return ids
}

// Sweep removes what killed runs left in the targets.
func (ts *Targets) Sweep() {
	sweep := func(t *Target) {
		if s, ok := t.Deliverer.(deliver.Sweeper); ok {
			s.Sweep()
		}
	}
	for i := range ts.list {
		sweep(&ts.list[i])
	}
	if ts.quarantine != nil {
		sweep(ts.quarantine)
	}
}

// Limit is the most messages in one transaction: the smallest bound of all
// targets, and at most n.
func (ts *Targets) Limit(n int) int {
	for i := range ts.list {
		if l, ok := ts.list[i].Deliverer.(deliver.BatchLimiter); ok {
			n = min(n, l.MaxBatch())
		}
	}
	return max(n, 1)
}

// upload is the most messages that a target on the network wants in one batch; 0 if
// there is none.
func (ts *Targets) upload() (n int) {
	for i := range ts.list {
		if u, ok := ts.list[i].Deliverer.(deliver.Uploader); ok {
			n = max(n, u.MaxUpload())
		}
	}
	return n
}

// works reports whether the target takes messages.
func (ts *Targets) works(t *Target) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return t != nil && ts.broken[t] == nil
}

// stop takes a target out for the rest of the run.
func (ts *Targets) stop(t *Target, err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.broken[t] == nil {
		ts.broken[t] = err
		if !errors.Is(err, context.Canceled) { // else it is the run that stopped
			ts.log.Error("target stopped", "target", t.ID, "err", err)
		}
	}
}

// allStopped is the error to end with once no target is left.
func (ts *Targets) allStopped() error {
	for i := range ts.list {
		if ts.works(&ts.list[i]) {
			return nil
		}
	}
	return ledger.Join(ts.Errors()...)
}

// Failed are the targets that stopped, by ID.
func (ts *Targets) Failed() map[string]error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	failed := make(map[string]error)
	for t, err := range ts.broken {
		failed[t.ID] = err
	}
	return failed
}

// Errors are those of the targets that stopped.
func (ts *Targets) Errors() (errs []error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for i := range ts.list {
		errs = append(errs, ts.broken[&ts.list[i]])
	}
	errs = append(errs, ts.broken[ts.quarantine])
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// live reports whether a working target wants the message.
func (ts *Targets) live(it *plan.Item) bool {
	if len(it.RefusedBy) > 0 && ts.works(ts.quarantine) {
		return true
	}
	for i := range ts.list {
		if t := &ts.list[i]; it.Wants(t.ID) && ts.works(t) {
			return true
		}
	}
	return false
}

// wanted opens the first part of each target that lacks one of the messages, and
// drops the messages that no working target wants: they would be retrieved for
// nothing, again in each run until a relay is back.
func (p *Pass) wanted(ctx context.Context, items []plan.Item) []plan.Item {
	ts := p.side.Targets
	p.cur = newBatch()
	for i := range ts.list {
		t := &ts.list[i]
		if ts.works(t) && slices.ContainsFunc(items, func(it plan.Item) bool { return it.Wants(t.ID) }) {
			p.part(ctx, t, state.Delivered)
		}
	}
	if ts.works(ts.quarantine) && slices.ContainsFunc(items, func(it plan.Item) bool { return len(it.RefusedBy) > 0 }) {
		p.part(ctx, ts.quarantine, state.Quarantined)
	}
	out := items
	if slices.ContainsFunc(items, func(it plan.Item) bool { return !ts.live(&it) }) {
		out = p.drop(items)
	}
	if len(out) == 0 {
		_ = p.cur.abort() // nothing was added
		p.cur = nil
	}
	return out
}

// drop leaves out the messages that no working target wants.
func (p *Pass) drop(items []plan.Item) (out []plan.Item) {
	for _, it := range items {
		switch {
		case p.side.Targets.live(&it):
			out = append(out, it)
		case len(it.Have) > 0:
			p.side.Ledger.Partly(it.Key)
		}
	}
	return out
}

// part is the batch's part for a target; nil if the target stopped over it.
func (p *Pass) part(ctx context.Context, t *Target, s state.Status) *part {
	part, err := p.cur.part(ctx, t, s)
	if err != nil {
		p.side.Targets.stop(t, err)
		return nil
	}
	return part
}

// extraPlace and a target's ID are where Facts.Extra keeps its last Place.
const extraPlace = "place "

// PastOf is what the state knows of a target: any outcome or intent of it was
// recorded while the target was there.
func PastOf(v *state.View, target string) deliver.Past {
	return deliver.Past{
		Delivered: slices.Contains(v.Targets(), target),
		Place:     v.Facts().Extra[extraPlace+target],
	}
}

// Resume gives the targets that stay on disk what earlier runs knew of them,
// before any of them is used. One that is gone is made anew only if create says
// so; then before the intents are settled, which would wait for it. No target is
// an error of another: its own Begin fails if it cannot be made. Owner is the
// state file.
func (ts *Targets) Resume(ctx context.Context, db *state.DB, owner string, create bool) error {
	if ts.quarantine != nil { // it is in the state's own directory
		if t, ok := ts.quarantine.Deliverer.(deliver.Resident); ok {
			t.Resume(deliver.Past{Owner: owner})
		}
	}
	return db.View(func(v *state.View) error {
		for i := range ts.list {
			t, ok := ts.list[i].Deliverer.(deliver.Resident)
			if !ok {
				continue
			}
			past := PastOf(v, ts.list[i].ID)
			past.Owner = owner
			if past.Delivered && create {
				past.Delivered = false
				_ = t.Create(ctx)
			}
			t.Resume(past)
		}
		return nil
	})
}

// NotePlaces keeps where the targets are for the next run.
func (ts *Targets) NotePlaces(facts *state.Facts) {
	for i := range ts.list {
		if t, ok := ts.list[i].Deliverer.(deliver.Resident); ok && t.Place() != "" {
			facts.SetExtra(extraPlace+ts.list[i].ID, t.Place())
		}
	}
}

// patience is how many messages in a row a target may put off, or fail at,
// before it takes nothing more in this run: more would be retrieved for
// nothing. One alone says nothing of the others.
const patience = 3

// postponed counts, for each target, the messages in a row that it did not take
// and might take later.
type postponed struct {
	rows map[*Target][]*plan.Item
	well map[*Target]bool // it has taken something
}

// taken notes that the target takes messages.
func (p postponed) taken(t *Target) {
	p.well[t] = true
	delete(p.rows, t)
}

// add notes the outcome of one message, and returns the whole row once it is
// too long.
func (p postponed) add(t *Target, it *plan.Item, e *deliver.Error) (row []*plan.Item) {
	switch {
	case len(e.Done) > len(it.Served[t.ID]): // somebody got it
		p.taken(t)
		return nil
	case e.Class != deliver.Later && e.Class != deliver.Failed:
		return nil
	}
	p.rows[t] = append(p.rows[t], it)
	if len(p.rows[t]) < patience {
		return nil
	}
	return p.rows[t]
}

// putOff is the error of a target that took none of n messages in a row.
func putOff(n int, last *deliver.Error) *deliver.Error {
	return &deliver.Error{Class: deliver.Unavailable, Pause: last.Pause, Err: fmt.Errorf("%d messages in a row not taken, so no more are tried in this run; the last: %w", n, last)}
}
