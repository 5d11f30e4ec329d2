package fetch

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

// resumeTargets tells the targets that stay on disk of earlier runs, before any
// of them is used. One that is gone is made anew only if the account says so;
// then before the intents are settled, which would wait for it. No target is
// an error of another: its own Begin fails if it cannot be made.
func resumeTargets(ctx context.Context, a *Account, db *state.DB, owner string) error {
	if a.SetAside != nil { // it is in the state's own directory
		if t, ok := a.SetAside.Deliverer.(deliver.Resident); ok {
			t.Resume(deliver.Past{Owner: owner})
		}
	}
	return db.View(func(v *state.View) error {
		for i := range a.Targets {
			t, ok := a.Targets[i].Deliverer.(deliver.Resident)
			if !ok {
				continue
			}
			past := PastOf(v, a.Targets[i].ID)
			past.Owner = owner
			if past.Delivered && a.CreateTargets {
				past.Delivered = false
				_ = t.Create(ctx)
			}
			t.Resume(past)
		}
		return nil
	})
}

// notePlaces keeps where the targets are for the next run.
func notePlaces(a *Account, facts *state.Facts) {
	for i := range a.Targets {
		t, ok := a.Targets[i].Deliverer.(deliver.Resident)
		if !ok {
			continue
		}
		place := t.Place()
		if place == "" {
			continue
		}
		if facts.Extra == nil {
			facts.Extra = make(map[string]string)
		}
		facts.Extra[extraPlace+a.Targets[i].ID] = place
	}
}
