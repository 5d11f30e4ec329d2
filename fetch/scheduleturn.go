package fetch

import (
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
)

// Bounds of one turn. Where accounts outnumber the slots, a run that has
// reached one of them goes to the end of the queue: a huge mailbox costs the
// small ones a turn, not a day.
const (
	turnMessages = 1000
	turnBytes    = 64 << 20
)

// turnLimits are the limits of a run's next turn: what is left of the run's
// own, and not more than a turn if slots are scarce.
func turnLimits(own plan.Limits, t turn, scarce bool) plan.Limits {
	l := own
	if l.Messages > 0 {
		l.Messages = max(l.Messages-t.messages, 1)
	}
	if l.Bytes > 0 {
		l.Bytes = max(l.Bytes-t.bytes, 1)
	}
	if !scarce {
		return l
	}
	if l.Messages == 0 || l.Messages > turnMessages {
		l.Messages = turnMessages
	}
	if l.Bytes == 0 || l.Bytes > turnBytes {
		l.Bytes = turnBytes
	}
	return l
}

// more reports whether a run goes on with another turn: this one was cut short
// by its limits and not by the account's own, and it got somewhere.
func (t turn) more(own plan.Limits, sum *Summary) bool {
	switch {
	case sum.Skips[plan.OverLimit] == 0, sum.Fetched == 0, classOf(ExitOf(sum.Err)) != usual:
		return false
	case own.Messages > 0 && t.messages >= own.Messages, own.Bytes > 0 && t.bytes >= own.Bytes:
		return false
	}
	return true
}

// add counts a turn.
func (t *turn) add(sum *Summary) {
	t.messages += sum.Fetched
	t.bytes += sum.Bytes
}

// learnRest is the pause between two logins that a server seems to want which
// refuses one as too early without saying how long its LOGIN-DELAY is. It only
// grows, as long as the process lives.
func learnRest(rest time.Duration, refused bool) time.Duration {
	if !refused {
		return rest
	}
	return min(max(2*rest, time.Minute), time.Hour)
}
