package proof

import (
	"context"
	"errors"
	"io"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// Lister is implemented by Copies of a file in which a message that was changed has
// no lasting place. All calls fn with each message.
type Lister interface {
	All(ctx context.Context, fn func(where string, write func(io.Writer) error) error) error
}

// found is a message of a Lister.
type found struct {
	where string
	write func(io.Writer) error
}

// byHeader returns the first message of a Lister with a header; nil write: there is
// none.
func (r *reader) byHeader(ctx context.Context, l Lister, print state.Fingerprint, of *plan.Policy) (found, error) {
	if r.headers != nil || print.IsZero() {
		return r.headers[print], nil
	}
	index := make(map[state.Fingerprint]found)
	err := l.All(ctx, func(where string, write func(io.Writer) error) error {
		var start headWriter
		if err := write(&start); err != nil && !errors.Is(err, errEnough) {
			return err
		}
		head, _ := header.Of(start.b)
		if p := of.Fingerprint(head); index[p].write == nil {
			index[p] = found{where, write}
		}
		return nil
	})
	if err == nil {
		r.headers = index
	}
	return index[print], err
}

// recorded is what the state knows of all messages, by content and by header.
type recorded struct {
	keys   map[state.Sum]state.Key
	sums   map[state.Fingerprint]state.Sum
	shared map[state.Fingerprint]bool // messages of different content have it
}

// isOther reports whether a sum is that of another message on record.
func (h *held) isOther(e *state.Entry, sum state.Sum) bool {
	k, known := h.onRecord().keys[sum]
	return known && k != e.Key
}

// sharesHeader reports whether another message on record has this one's header: what
// has it may be either's copy.
func (h *held) sharesHeader(e *state.Entry) bool { return h.onRecord().shared[e.Fingerprint] }

func (h *held) onRecord() *recorded {
	if h.record != nil {
		return h.record
	}
	r := &recorded{make(map[state.Sum]state.Key), make(map[state.Fingerprint]state.Sum), make(map[state.Fingerprint]bool)}
	_ = h.DB.View(func(v *state.View) error { // our own View cannot fail
		for k, rec := range v.Records() {
			o := v.Entry(k, rec)
			r.keys[o.SHA256] = o.Key
			if sum, known := r.sums[o.Fingerprint]; known && sum != o.SHA256 {
				r.shared[o.Fingerprint] = true
			}
			r.sums[o.Fingerprint] = o.SHA256
		}
		return nil
	})
	h.record = r
	return r
}
