package commit

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/state"
)

// RecoveryError says that what an interrupted run left cannot be completed yet.
type RecoveryError struct {
	Target string
	Err    error
}

func (e *RecoveryError) Error() string {
	return "an interrupted delivery cannot be completed yet: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *RecoveryError) Unwrap() error { return e.Err }

// UnknownKindError says that a newer program has delivered in a way that this
// one does not know.
type UnknownKindError struct{ Kind string }

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("the state holds a delivery (%q) that this version does not know", e.Kind)
}

// Recover asks what became of each intent that an earlier run left, and records
// the answers in one transaction. It returns the keys of what is visible. It runs before any network use. If the answer
// to one of them is not known now, the error is a *RecoveryError and the account
// is not fetched in this run. Ways are by the kind of the
// intent; a target that is a deliver.Recoverer settles its own.
func Recover(ctx context.Context, db *state.DB, targets []Target, ways map[string]deliver.RecoverFunc, j *ledger.Journal) (visible []state.Key, err error) {
	intents, err := intentsOn(db)
	if err != nil || len(intents) == 0 {
		return nil, err
	}
	j.Enter(ledger.Recovering)
	j.Log.Info("settling deliveries of an interrupted run", "messages", len(intents))
	change := &state.Change{}
	own := make(map[string]deliver.RecoverFunc)
	givenUp := make(map[string]int)
	for _, t := range targets {
		change.Targets = append(change.Targets, t.ID)
		if r, ok := t.Deliverer.(deliver.Recoverer); ok {
			own[t.ID] = r.Recover
		}
	}
	for _, in := range intents {
		settle := own[in.Target]
		if in.Status == state.Quarantined { // it went to the quarantine in place of the target
			settle = nil
		}
		fate, err := fateOf(ctx, settle, ways, in)
		if err != nil {
			return nil, &RecoveryError{in.Target, err}
		}
		there := fate == deliver.Visible || fate == deliver.StandIn
		switch {
		case there:
			visible = append(visible, in.Key)
		case fate == deliver.Unknown && !slices.Contains(change.Targets, in.Target) && in.Status != state.Quarantined:
			givenUp[in.Target]++
		}
		change.Settle = append(change.Settle, state.Settlement{
			Intent: in.ID,
			Status: statusOf(in.Status, fate == deliver.StandIn),
			Drop:   !there,
		})
	}
	fault.Point("recover.apply")
	if err := db.Apply(change); err != nil {
		return nil, err
	}
	fault.Point("recover.applied")
	for target, n := range givenUp {
		j.Note(fmt.Sprintf("an earlier run had %s on the way to %s, which is not configured any more: given up, whether or not it arrived there",
			ledger.Counted(n, "message"), target))
	}
	return visible, nil
}

// statusOf is the status of what is visible by an intent of this status. A
// stand-in counts as Skipped: that permits no deletion.
func statusOf(intended state.Status, standIn bool) state.Status {
	if standIn && intended == state.Delivered {
		return state.Skipped
	}
	return intended
}

func intentsOn(db *state.DB) (in []state.Intent, err error) {
	verr := db.View(func(v *state.View) error {
		in, err = v.Intents()
		return err
	})
	return in, verr
}

func fateOf(ctx context.Context, own deliver.RecoverFunc, ways map[string]deliver.RecoverFunc, in state.Intent) (deliver.Fate, error) {
	if fault.Mutated("no-recovery") {
		return deliver.Unknown, nil
	}
	settle, ok := ways[in.Kind]
	if own != nil {
		settle, ok = own, true
	}
	if !ok {
		if fault.Mutated("no-intents") {
			return deliver.Unknown, nil
		}
		return deliver.Unknown, &UnknownKindError{in.Kind}
	}
	fault.Point("recover.intent")
	return settle(ctx, deliver.Intent{Kind: in.Kind, Data: in.Data, Receipt: in.Receipt})
}
