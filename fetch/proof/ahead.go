package proof

import (
	"context"
	"crypto/sha256"

	"github.com/mailhaul/mailhaul/state"
)

// aheadEntries is how many entries are read at a time from what is Distant.
const aheadEntries = 500

// copyKey is what is read back: where a message was delivered to, and as what.
type copyKey struct {
	target, receipt string
	sum             [sha256.Size]byte
}

// seen is what was read of a copy.
type seen struct {
	sum   [sha256.Size]byte
	head  []byte
	where string
}

func (h *held) keyOf(e *state.Entry, o state.Outcome) copyKey {
	return copyKey{h.heldBy(o), o.Receipt, e.SHA256}
}

// lookAhead reads of the entries what is in Distant targets; with head only the headers.
func (h *held) lookAhead(ctx context.Context, entries []state.Entry, head bool) {
	h.seen = make(map[copyKey]seen)
	wanted := make(map[string][]copyKey)
	for i := range entries {
		e := &entries[i]
		for _, o := range e.Outcomes {
			if head || e.SHA256 != ([sha256.Size]byte{}) {
				wanted[h.heldBy(o)] = append(wanted[h.heldBy(o)], h.keyOf(e, o))
			}
		}
	}
	for target, list := range wanted {
		copies, err := h.copies(ctx, target)
		if far, ok := copies.(Distant); ok && err == nil {
			readMany(ctx, far, list, head, h.seen)
		}
	}
}

func readMany(ctx context.Context, far Distant, list []copyKey, head bool, into map[copyKey]seen) {
	receipts, sums := make([]string, len(list)), make([][sha256.Size]byte, len(list))
	for i, c := range list {
		receipts[i], sums[i] = c.receipt, c.sum
	}
	if head {
		far.Heads(ctx, receipts, sums, func(i int, head []byte, where string) { into[list[i]] = seen{head: head, where: where} })
		return
	}
	far.Sums(ctx, receipts, sums, func(i int, sum [sha256.Size]byte, where string) { into[list[i]] = seen{sum: sum, where: where} })
}
