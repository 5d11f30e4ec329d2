package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// run is one run of one account, from its state file to the record of the run.
type run struct {
	*Held
	sum     Summary
	offline func() // the last session has ended and the targets are closed
	close   func() error
}

// poll runs one account. It is offline when the last session has ended and the
// targets are closed; with an After, of which no two run beside each other, only
// after that.
func (f *Fetcher) poll(ctx context.Context, a *Account, w *workerSlot) Summary {
	r := &run{Held: f.prepare(a), offline: w.leave, close: sync.OnceValue(a.closeTargets)}
	r.sum = Summary{Account: a.Name, Started: r.Journal.Started(), TrustImported: a.Policy.TrustImported, Planned: a.Exactly != nil}
	began := time.Now()
	r.Journal.Enter(ledger.Waiting)
	err := r.holding(ctx, func() error { return r.work(ctx) })
	if cerr := r.close(); err == nil {
		err = cerr
	}
	r.count()
	r.sum.Err = r.verdict(ctx, err)
	if n := r.counts().Partly; n > 0 {
		r.Journal.Note(fmt.Sprintf("%s in some targets only; a later run delivers to the rest", messages(n)))
	}
	if wait := max(session.LoginPause(&r.Facts, r.Journal.Now()), r.pause()); wait > 0 {
		r.sum.NextLogin = r.Journal.Now().Add(wait)
	}
	r.sum.Seconds = time.Since(began).Seconds()
	r.sum.Notes = r.Journal.Notes()
	r.after(ctx)
	e := Event{Account: a.Name, Progress: r.Journal.Progress(), Summary: &r.sum}
	e.Stage = ledger.Finished
	w.report(func() { f.report(e) })
	return r.sum
}

// counts are those of the messages; none in a run that did not get its state.
func (r *run) counts() ledger.Counts {
	if r.Ledger == nil {
		return ledger.Counts{}
	}
	return r.Ledger.Counts()
}

// count brings the summary up to date.
func (r *run) count() {
	c, s := r.counts(), &r.sum
	s.Fetched, s.Quarantined, s.Failed, s.Bytes = c.Fetched+c.Recovered-c.Rescued, c.Quarantined+c.Rescued, c.Failed, c.Bytes+c.RecoveredBytes
	s.Recovered, s.Earlier = c.Recovered, r.Earlier
	s.Listed, s.Known = r.Journal.Progress().Listed, r.Known
	if r.Drop == nil {
		return
	}
	t := r.Drop.Tally
	s.Skipped, s.Skips, s.Deleted, s.Before, s.Unconfirmed = t.Skipped, t.Skips, t.Deleted, t.Before, t.Unconfirmed
	s.Sessions, s.RoundTrips = r.Drop.Dialer.Logins, r.Drop.Dialer.RoundTrips
}

// afterGrace is how long an After goes on when the run is cancelled.
const afterGrace = 10 * time.Second

// after runs the account's After, also in a run that was cancelled.
func (r *run) after(ctx context.Context) {
	if r.Account.After == nil {
		return
	}
	if r.DB != nil { // else the maildrop, and what is said of it, is another run's
		r.Journal.Enter(ledger.Ending)
	}
	ctx, cancel := commit.Graceful(ctx, min(r.f.grace(), afterGrace))
	defer cancel()
	if err := r.Account.After(ctx, &r.sum); err != nil {
		r.Journal.Log.Warn("after failed", "err", err)
		r.Journal.Note(fmt.Sprintf("the command after the run failed, which changes nothing for the mail: %v", err))
		r.sum.Notes = r.Journal.Notes()
	}
}

// work is a run from the intents of an earlier one to the record of this one.
func (r *run) work(ctx context.Context) error {
	if err := r.Targets.Resume(ctx, r.DB, r.StatePath(), r.Account.CreateTargets); err != nil {
		return err
	}
	if r.Account.Moves && !r.Account.Policy.All {
		if err := r.Targets.Known(r.DB, r.Account.ID); err != nil {
			return err
		}
	}
	if err := r.awaitPause(ctx); err != nil {
		return err
	}
	if err := r.Recover(ctx); err != nil {
		return r.unrecovered(err)
	}
	r.Targets.Sweep()
	r.Drop.Book.Poll = true
	change, err := r.sessions(ctx)
	if cerr := r.close(); err == nil {
		err = cerr
	}
	if r.Account.After == nil {
		r.offline()
	}
	r.count()
	if err = r.record(ctx, change, err); r.Account.Moves && !stateFailed(err) {
		err = joined(err, r.Targets.Mark(r.DB, r.Account.ID))
	}
	_ = r.DB.View(func(v *state.View) error { // a figure: not worth an error
		r.Known = v.Len()
		return nil
	})
	return err
}

// sessions runs one session, and more while a windowed maildrop shows others
// or a server needs to be treated with more care. It returns what the last one
// leaves to be recorded.
func (r *run) sessions(ctx context.Context) (last state.Change, err error) {
	if r.Account.Before != nil {
		if err := r.Account.Before(ctx); err != nil {
			return last, err
		}
	}
	d := r.Drop
	defer d.Dialer.DropQuirks()
	before := &session.Result{}
	done := session.NewConfirmed(r.f.pauses, false)
	var unseen error // a look that nothing asked for
	defer func() {
		if note := done.Note(unseen); note != "" {
			r.Journal.Note(note)
		}
	}()
	for {
		if err := d.Dialer.Await(ctx, before.Listed() > 0); err != nil {
			return last, err
		}
		res, err := d.Run(ctx, done)
		last = res.Change
		d.Tally.Deleted += done.Add(last.Deleted, res.Compared)
		if err != nil && !res.Planned && len(before.List) > 0 {
			var again bool
			if res.Pause, again = r.lookAfter(done, err); !again && !before.Sure && mayDoWithout(err) {
				unseen = err
				return last, nil
			}
		}
		if res.Pause > 0 {
			if err := d.Rest(ctx, res.Pause); err != nil {
				return last, err
			}
			continue
		}
		again := false
		if err == nil {
			again = d.WentWell(&res, before)
		} else {
			again, err = d.Broke(&res, err)
		}
		if !again {
			return last, err
		}
		if err := r.between(last); err != nil {
			return last, err
		}
		last, before = state.Change{}, &res
	}
}

// between records what a session leaves before the next one starts.
func (r *run) between(change state.Change) error {
	r.complete(&change)
	fault.Point("window.apply")
	return r.DB.Apply(&change)
}

// complete adds to a change what the run knows besides.
func (r *run) complete(change *state.Change) {
	change.Facts, change.Targets = &r.Facts, r.Targets.IDs()
	change.Fail = append(change.Fail, r.Ledger.TakeFailures()...)
	change.Budget = r.Drop.Book.Spent()
}

// lookAfter is the pause before another look after one that ended with err;
// false if it is not worth one.
func (r *run) lookAfter(done *session.Confirmed, err error) (time.Duration, bool) {
	if !LaterMayHelp(err) {
		return 0, false
	}
	return r.Drop.LookAgain(done, session.Unread)
}

// record ends the run in one transaction. It is the last thing that can go
// wrong and never hides an earlier error.
func (r *run) record(ctx context.Context, change state.Change, err error) error {
	if stateFailed(err) {
		return err // law 6: the state's own failure; nothing more is written
	}
	r.Targets.NotePlaces(&r.Facts)
	r.notePauses()
	r.Facts.ClockSeen = r.Journal.Now()
	r.complete(&change)
	verdict := r.verdict(ctx, err)
	change.Run = &state.Run{
		Started: r.sum.Started,
		Seconds: r.Journal.Now().Sub(r.sum.Started).Seconds(),
		Listed:  r.sum.Listed,
		Fetched: r.sum.Fetched,
		Skipped: r.sum.Skipped,
		Deleted: r.sum.Deleted,
		Failed:  r.sum.Failed,
		Bytes:   r.sum.Bytes,
		Earlier: r.sum.Earlier.Fetched,
		Exit:    int(ExitOf(verdict)),
	}
	if verdict != nil {
		change.Run.Error = verdict.Error()
	}
	fault.Point("poll.record")
	if aerr := r.DB.Apply(&change); err == nil {
		return aerr
	}
	return err
}

// stateFailed reports whether a change of the state was not made, as by a full
// disk.
func stateFailed(err error) bool {
	var file *state.FileError
	return errors.As(err, &file) && file.Written && !errors.Is(err, state.ErrNotState)
}

// verdict is the error that the run as a whole comes to.
func (r *run) verdict(ctx context.Context, err error) error {
	if err == nil {
		return joined(append(r.Targets.Errors(), r.partial(), r.quarantined())...)
	}
	switch {
	case ctx.Err() != nil:
		r.sum.Stopped = true
		if beside := r.besideStop(err); beside != nil {
			return beside
		}
		return stopped(ctx, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return joined(err, r.partial(), r.quarantined())
}

// besideStop is what went wrong in a run that was stopped, and not because it
// was: the state or a target cannot be written. That is then the news.
func (r *run) besideStop(err error) error {
	var errs []error
	if stateFailed(err) {
		errs = append(errs, err)
	}
	for _, terr := range r.Targets.Errors() {
		if !errors.Is(terr, context.Canceled) {
			errs = append(errs, terr)
		}
	}
	return joined(errs...)
}

// partial is the error of the messages that failed, nil if none did.
func (r *run) partial() error {
	if r.counts().Failed == 0 {
		return nil
	}
	failures := r.Ledger.Failures()
	unsent := 0
	for _, err := range failures {
		if exitOfServer(err) != ExitOK {
			unsent++
		}
	}
	return &PartialError{Failed: len(failures), Unsent: unsent, First: failures[0]}
}

// quarantined is the error of a run that put messages in the quarantine; nil if
// it did not.
func (r *run) quarantined() error {
	c := r.counts()
	n := c.Quarantined + c.Rescued + r.Earlier.Quarantined
	if n == 0 || r.Account.Quarantine == nil {
		return nil
	}
	return &QuarantineError{Messages: n, Where: r.Account.Quarantine.ID, First: c.Why}
}
