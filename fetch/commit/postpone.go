package commit

import (
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/plan"
)

// patience is how many messages in a row a target may put off, or fail at,
// before it takes nothing more in this run: more would be retrieved for
// nothing. One alone says nothing of the others.
const patience = 3

// postponed counts, for each target, the messages in a row that it did not take
// and might take later.
type postponed struct {
	rows map[*Target][]*plan.Item
	well map[*Target]bool // it has taken something
}

// taken notes that the target takes messages.
func (p postponed) taken(t *Target) {
	p.well[t] = true
	delete(p.rows, t)
}

// add notes the outcome of one message, and returns the whole row once it is
// too long.
func (p postponed) add(t *Target, it *plan.Item, e *deliver.Error) (row []*plan.Item) {
	switch {
	case len(e.Done) > len(it.Served[t.ID]): // somebody got it
		p.taken(t)
		return nil
	case e.Class != deliver.Later && e.Class != deliver.Failed:
		return nil
	}
	p.rows[t] = append(p.rows[t], it)
	if len(p.rows[t]) < patience {
		return nil
	}
	return p.rows[t]
}

// putOff is the error of a target that took none of n messages in a row.
func putOff(n int, last *deliver.Error) *deliver.Error {
	return &deliver.Error{Class: deliver.Unavailable, Pause: last.Pause, Err: fmt.Errorf("%d messages in a row not taken, so no more are tried in this run; the last: %w", n, last)}
}
