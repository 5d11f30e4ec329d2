package proof

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/state"
)

// Copy is one delivered message as it can be shown to a person.
type Copy struct {
	Target    string
	Status    state.Status
	Where     string // empty if it cannot be read back
	Delivered time.Time
}

// Inspected is an entry with what the header of its copy shows.
type Inspected struct {
	state.Entry
	// MessageID and Date are from the header; empty and zero without a
	// readable copy.
	MessageID string
	Date      time.Time
	Copies    []Copy
	// Flaws are what the last verify found of copies that are not as they were
	// delivered.
	Flaws []state.Flaw
	// Former: the server now lists the message under another unique-id, which has
	// an entry of its own.
	Former bool

	readable bool // a target that has it can be read back, or could if it were there
}

// inspect calls fn for each entry, with the header of a copy that can be read
// back.
func (h *held) inspect(ctx context.Context, fn func(Inspected) error) error {
	return h.DB.View(func(v *state.View) error {
		former, flaws := formerKeys(v), v.Flaws()
		for some := range chunksOf(v) {
			h.lookAhead(ctx, some, true)
			for _, e := range some {
				if err := ctx.Err(); err != nil {
					return err
				}
				in := h.inspectEntry(ctx, e)
				in.Former, in.Flaws = former[in.Key], flaws[in.Key]
				if err := fn(in); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// chunksOf yields all entries, aheadEntries at a time. A chunk is valid until the next.
func chunksOf(v *state.View) iter.Seq[[]state.Entry] {
	return func(yield func([]state.Entry) bool) {
		var some []state.Entry
		for k, rec := range v.Records() {
			if some = append(some, v.Entry(k, rec)); len(some) < aheadEntries {
				continue
			}
			if !yield(some) {
				return
			}
			some = some[:0]
		}
		yield(some)
	}
}

func (h *held) inspectEntry(ctx context.Context, e state.Entry) Inspected {
	in := Inspected{Entry: e}
	for _, o := range e.Outcomes {
		c := Copy{Target: o.Target, Status: o.Status, Delivered: o.At}
		copies, err := h.copies(ctx, h.heldBy(o))
		in.readable = in.readable || copies != nil || err != nil
		if seen, ok := h.seen[h.keyOf(&e, o)]; ok {
			c.Where = seen.where
			in.read(seen.head)
		} else if err == nil && copies != nil {
			var start headWriter
			where, err := copies.Copy(ctx, &start, o.Receipt, e.SHA256)
			if err == nil || errors.Is(err, errEnough) {
				c.Where = where
				in.read(start.b)
			} else if isAway(err) {
				h.readers[h.heldBy(o)].gone = err
			}
		}
		in.Copies = append(in.Copies, c)
	}
	return in
}

func (in *Inspected) read(start []byte) {
	h, _ := header.Of(start)
	in.MessageID, _ = h.Get("Message-ID", 1)
	in.Date = h.Date(time.Time{})
}

// errEnough ends a copy whose header has been seen.
var errEnough = errors.New("header is complete")

// headWriter keeps the header of what is written to it and then stops the
// writer.
type headWriter struct{ b []byte }

func (w *headWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), header.MaxSize-len(w.b))]...)
	if _, whole := header.Of(w.b); whole || len(w.b) >= header.MaxSize {
		return 0, errEnough
	}
	return len(p), nil
}
