package fetch

import (
	"context"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// retryChunk is how many messages that some target has already are retrieved
// before we look again whether the others take anything.
const retryChunk = 100

// retriesFirst splits a plan's messages: those that some target has already, in
// chunks, then the rest, and last those that failed before, the longest ago
// first. So a few that are refused again and again hold nothing up.
func retriesFirst(items []Item) (chunks [][]Item) {
	if !slices.ContainsFunc(items, func(it Item) bool { return it.rank() > 0 }) {
		return [][]Item{items}
	}
	var ranks [3][]Item
	for i := range items {
		rank := items[i].rank()
		ranks[rank] = append(ranks[rank], items[i])
	}
	for c := range slices.Chunk(ranks[1], retryChunk) {
		chunks = append(chunks, c)
	}
	slices.SortStableFunc(ranks[2], func(a, b Item) int { return a.Tried.Compare(b.Tried) })
	return append(chunks, ranks[0], ranks[2])
}

// wanted opens the first batch of each target that lacks one of the messages,
// and drops the messages that no working target wants: they would be retrieved
// for nothing, again in each run until a relay is back.
func (rt *retriever) wanted(ctx context.Context, items []Item) []Item {
	rt.cur = &batch{opened: time.Now()}
	for i := range rt.a.Targets {
		t := &rt.a.Targets[i]
		if !rt.broken(t) && slices.ContainsFunc(items, func(it Item) bool { return it.wants(t.ID) }) {
			rt.probe(ctx, t, state.Delivered)
		}
	}
	aside := rt.a.SetAside
	if aside != nil && !rt.broken(aside) && slices.ContainsFunc(items, func(it Item) bool { return len(it.SetAside) > 0 }) {
		rt.probe(ctx, aside, state.SetAside)
	}
	out := items
	if slices.ContainsFunc(items, func(it Item) bool { return !rt.live(&it) }) {
		out = rt.drop(items)
	}
	if len(out) == 0 {
		_ = rt.cur.abort() // nothing was added
		rt.cur = nil
	}
	return out
}

// drop leaves out the messages that no working target wants.
func (rt *retriever) drop(items []Item) (out []Item) {
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
func (rt *retriever) live(it *Item) bool {
	if len(it.SetAside) > 0 && rt.a.SetAside != nil && !rt.broken(rt.a.SetAside) {
		return true
	}
	for i := range rt.a.Targets {
		if t := &rt.a.Targets[i]; it.wants(t.ID) && !rt.broken(t) {
			return true
		}
	}
	return false
}

// wants reports whether the message is to be delivered to a target now.
func (it *Item) wants(target string) bool {
	return !it.rejected && it.due(target) && !slices.Contains(it.SetAside, target)
}
