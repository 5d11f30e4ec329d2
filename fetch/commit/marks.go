package commit

import (
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/state"
)

// UnknownStateError says that a target has mail of an account whose state knows of none:
// the state was left behind somewhere.
type UnknownStateError struct {
	// Target has the mail, and File in it says so.
	Target, File string
}

// Error implements error.
func (e *UnknownStateError) Error() string {
	return fmt.Sprintf("%s has mail of this account, and the state knows of none: where is the state that it was delivered with?", e.Target)
}

// Known returns an *UnknownStateError if a target has mail of an account, and its state
// is as before a first run.
func (ts *Targets) Known(db *state.DB, account string) error {
	isNew := false
	err := db.View(func(v *state.View) error {
		intents, err := v.Intents()
		_, ran := v.LastSuccess()
		isNew = v.Len() == 0 && len(intents) == 0 && !ran
		return err
	})
	if err != nil || !isNew {
		return err
	}
	return ts.markers(func(t *Target, m deliver.Marker) error {
		file, err := m.Marked(account)
		if file != "" {
			err = &deliver.Error{Class: deliver.CannotCreate, Err: &UnknownStateError{t.ID, file}}
		}
		return err
	})
}

// Mark marks the targets of an account that are not marked yet, if its state has messages:
// only then its loss would show.
func (ts *Targets) Mark(db *state.DB, account string) error {
	has := false
	err := db.View(func(v *state.View) error {
		has = v.Len() > 0
		return nil
	})
	if err != nil || !has {
		return err
	}
	return ts.markers(func(t *Target, m deliver.Marker) error {
		file, err := m.Marked(account)
		if err != nil || file != "" || !ts.works(t) {
			return err
		}
		return m.Mark(account)
	})
}

// markers calls f with the targets that can be marked, until one fails.
func (ts *Targets) markers(f func(*Target, deliver.Marker) error) error {
	for i := range ts.list {
		if m, ok := ts.list[i].Deliverer.(deliver.Marker); ok {
			if err := f(&ts.list[i], m); err != nil {
				return err
			}
		}
	}
	return nil
}
