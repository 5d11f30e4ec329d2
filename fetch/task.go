package fetch

import (
	"context"
	"errors"

	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/schedule"
)

// Bounds of a short part of a run.
const (
	partMessages = 1000
	partBytes    = 64 << 20
)

// Task returns what a schedule.Loop runs for an account. Open makes the account
// for one run, or a part of it: certificates and secrets are read each time.
func (f *Fetcher) Task(name string, open func() (*Account, error)) func(context.Context, schedule.Part) schedule.Result {
	return func(ctx context.Context, p schedule.Part) schedule.Result {
		a, err := open()
		if err != nil {
			sum := Summary{Account: name, Started: f.now(), Err: err}
			f.report(Event{Account: name, Progress: ledger.Progress{Stage: ledger.Finished}, Summary: &sum})
			return partResult(plan.Limits{}, p, &sum)
		}
		own := a.Limits
		a.Limits = partLimits(own, p)
		sum := f.poll(ctx, a, nil)
		return partResult(own, p, &sum)
	}
}

// partLimits are the limits of a part of a run: what is left of the account's
// own, and not more than a short part if the worker slots are scarce.
func partLimits(own plan.Limits, p schedule.Part) plan.Limits {
	l := own
	if l.Messages > 0 {
		l.Messages = max(l.Messages-p.Messages, 1)
	}
	if l.Bytes > 0 {
		l.Bytes = max(l.Bytes-p.Bytes, 1)
	}
	if !p.Short {
		return l
	}
	if l.Messages == 0 || l.Messages > partMessages {
		l.Messages = partMessages
	}
	if l.Bytes == 0 || l.Bytes > partBytes {
		l.Bytes = partBytes
	}
	return l
}

// partResult is what the schedule needs of a run.
func partResult(own plan.Limits, p schedule.Part, sum *Summary) schedule.Result {
	var server *pop3.Error
	class := ClassOf(ExitOf(sum.Err))
	ownReached := own.Messages > 0 && p.Messages+sum.Fetched >= own.Messages || own.Bytes > 0 && p.Bytes+sum.Bytes >= own.Bytes
	return schedule.Result{
		Class:    class,
		Messages: sum.Fetched,
		Bytes:    sum.Bytes,
		More:     class == schedule.Usual && sum.Skips[plan.OverLimit] > 0 && sum.Fetched > 0 && !ownReached,
		Earliest: sum.NextLogin,
		TooEarly: errors.As(sum.Err, &server) && server.Code == pop3.LoginDelay,
	}
}

// ClassOf sorts exit codes by how soon another run makes sense.
func ClassOf(e Exit) schedule.Class {
	switch e {
	case ExitOK, ExitData: // some messages failed: the rest went through
		return schedule.Usual
	case ExitTemp, ExitUnavailable, ExitInterrupted, ExitTerminated:
		return schedule.Temporary
	case ExitAuth:
		return schedule.Refused
	}
	return schedule.Faulty
}
