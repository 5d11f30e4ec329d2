package fetch

import (
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// day names the day that a daily budget counts on, in UTC.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// limitsLeft is what the limits still allow in this run; today is what earlier
// runs retrieved on this day.
func (r *run) limitsLeft(today int64) plan.Limits {
	l := r.octetsLeft(today)
	if l.Messages > 0 {
		l.Messages = max(l.Messages-r.sum.Fetched, 0)
		if l.Messages == 0 {
			l.Bytes = -1
		}
	}
	return l
}

// octetsLeft is limitsLeft for what does not count as a message.
func (r *run) octetsLeft(today int64) plan.Limits {
	l := r.a.Limits
	spent := r.retrieved()
	l.Begun = spent > 0
	if l.Bytes > 0 {
		l.Bytes = spentOf(l.Bytes, spent)
	}
	if l.BytesPerDay > 0 && l.Bytes >= 0 {
		left := spentOf(l.BytesPerDay, today+spent-r.budgeted)
		if l.Bytes == 0 || left < l.Bytes {
			l.Bytes, l.Begun = left, today+spent > 0
		}
	}
	return l
}

// spentOf is what is left of a limit, -1 for nothing.
func spentOf(limit, spent int64) int64 {
	if spent >= limit {
		return -1
	}
	return limit - spent
}

func (r *run) retrieved() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.event.Bytes
}

// spend adds what was retrieved since the last record to the day's budget.
func (r *run) spend(change *state.Change) {
	n := r.retrieved() - r.budgeted
	if n > 0 && r.a.Limits.BytesPerDay > 0 {
		change.Budget = map[string]int64{day(r.now()): n}
		r.budgeted += n
	}
}
