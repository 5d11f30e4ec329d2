package fetch

import (
	"context"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// wanted opens the first batch of each target that lacks one of the messages,
// and drops the messages that no working target wants: they would be retrieved
// for nothing, again in each run until a relay is back.
func (rt *retriever) wanted(ctx context.Context, items []plan.Item) []plan.Item {
	rt.cur = &batch{opened: time.Now()}
	for i := range rt.a.Targets {
		t := &rt.a.Targets[i]
		if !rt.broken(t) && slices.ContainsFunc(items, func(it plan.Item) bool { return it.Wants(t.ID) }) {
			rt.probe(ctx, t, state.Delivered)
		}
	}
	aside := rt.a.SetAside
	if aside != nil && !rt.broken(aside) && slices.ContainsFunc(items, func(it plan.Item) bool { return len(it.SetAside) > 0 }) {
		rt.probe(ctx, aside, state.SetAside)
	}
	out := items
	if slices.ContainsFunc(items, func(it plan.Item) bool { return !rt.live(&it) }) {
		out = rt.drop(items)
	}
	if len(out) == 0 {
		_ = rt.cur.abort() // nothing was added
		rt.cur = nil
	}
	return out
}

// drop leaves out the messages that no working target wants.
func (rt *retriever) drop(items []plan.Item) (out []plan.Item) {
	for _, it := range items {
		switch {
		case rt.live(&it):
			out = append(out, it)
		case len(it.Have) > 0:
			rt.inSome(it.Key)
		}
	}
	return out
}

func (rt *retriever) probe(ctx context.Context, t *Target, s state.Status) {
	if _, err := rt.cur.part(ctx, t, s); err != nil {
		rt.breakTarget(t, err)
	}
}

// live reports whether a working target wants the message.
func (rt *retriever) live(it *plan.Item) bool {
	if len(it.SetAside) > 0 && rt.a.SetAside != nil && !rt.broken(rt.a.SetAside) {
		return true
	}
	for i := range rt.a.Targets {
		if t := &rt.a.Targets[i]; it.Wants(t.ID) && !rt.broken(t) {
			return true
		}
	}
	return false
}
