package fetch

import (
	"context"
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/state"
)

// settleIntents asks what became of each intent that an earlier run left, and
// records the answers in one transaction. It runs before any network use. If
// one of them cannot be told now, the account is not fetched in this run.
func (r *run) settleIntents(ctx context.Context) error {
	intents, err := r.intents()
	if err != nil || len(intents) == 0 {
		return err
	}
	r.enter(Recovering)
	r.log.Info("settling deliveries of an interrupted run", "messages", len(intents))
	change := &state.Change{Targets: r.targetIDs()}
	for _, in := range intents {
		fate, err := r.fate(ctx, in)
		if err != nil {
			return &SettleError{err}
		}
		change.Settle = append(change.Settle, state.Settlement{
			Intent: in.ID,
			Status: in.Status,
			Drop:   fate != deliver.Visible,
		})
	}
	fault.Point("recover.apply")
	if err := r.db.Apply(change); err != nil {
		return stateFailed(r.db, err)
	}
	fault.Point("recover.applied")
	return nil
}

func (r *run) intents() (in []state.Intent, err error) {
	verr := r.db.View(func(v *state.View) error {
		in, err = v.Intents()
		return err
	})
	return in, verr
}

func (r *run) fate(ctx context.Context, in state.Intent) (deliver.Fate, error) {
	if fault.Mutated("no-recovery") {
		return deliver.Unknown, nil
	}
	settle, ok := r.f.Recover[in.Kind]
	if !ok {
		if fault.Mutated("no-intents") {
			return deliver.Unknown, nil
		}
		return deliver.Unknown, &Error{
			Exit: ExitCannotWrite,
			Err:  fmt.Errorf("the state holds a delivery (%q) that this version does not know", in.Kind),
			Why:  WhyUnknownIntent,
		}
	}
	fault.Point("recover.intent")
	return settle(ctx, deliver.Intent{Kind: in.Kind, Data: in.Data, Receipt: in.Receipt})
}
