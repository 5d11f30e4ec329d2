package commit

import (
	"context"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/state"
)

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
