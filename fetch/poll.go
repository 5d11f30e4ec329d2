package fetch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// poll runs one account from its state file to the record of the run. It is
// offline when the last session has ended and the targets are closed; with an
// After, of which no two run beside each other, only after that.
func (f *Fetcher) poll(ctx context.Context, a *Account, p *place) Summary {
	r := f.newRun(a)
	r.poll, r.offline = true, p.offline
	began := time.Now()
	r.enter(Waiting)
	err := r.holding(ctx, func() error { return r.work(ctx) })
	if cerr := r.close(); err == nil {
		err = cerr
	}
	r.sum.Err = r.verdict(ctx, err)
	r.noteTargets()
	if wait := r.loginPause(); wait > 0 {
		r.sum.NextLogin = r.now().Add(wait)
	}
	r.sum.Seconds = time.Since(began).Seconds()
	r.after(ctx)
	r.event.Stage, r.event.Summary = Finished, &r.sum
	p.tell(func() { f.report(r.event) })
	return r.sum
}

// afterGrace is how long an After goes on when the run is cancelled.
const afterGrace = 10 * time.Second

// after runs the account's After, also in a run that was cancelled.
func (r *run) after(ctx context.Context) {
	if r.a.After == nil {
		return
	}
	if r.db != nil { // else the maildrop, and what is told of it, is another run's
		r.enter(Ending)
	}
	ctx, cancel := graceful(ctx, min(r.f.grace(), afterGrace))
	defer cancel()
	if err := r.a.After(ctx, &r.sum); err != nil {
		r.log.Warn("after failed", "err", err)
		r.addNote(fmt.Sprintf("the command of `after` failed, which changes nothing for the mail: %v", err))
	}
}

// holding calls fn while it holds the maildrop's state, and so the maildrop.
func (r *run) holding(ctx context.Context, fn func() error) (err error) {
	r.db, err = state.OpenContext(ctx, r.statePath(), state.Options{Wait: r.a.Wait})
	if err != nil {
		return inUse(StateOpen(r.statePath(), err))
	}
	defer func() {
		if cerr := r.db.Close(); err == nil {
			err = cerr
		}
		err = stateDamage(r.statePath(), err)
	}()
	if err := r.load(); err != nil {
		return err
	}
	return fn()
}

// inUse says in words for a person that the state is locked.
func inUse(err error) error {
	if !errors.Is(err, state.ErrLocked) {
		return err
	}
	return &Error{Exit: ExitTemp, Err: errors.New("another run is working on this maildrop"), Why: WhyInUse}
}

// work is a run from the intents of an earlier one to the record of this one.
func (r *run) work(ctx context.Context) error {
	if err := resumeTargets(ctx, r.a, r.db, r.statePath()); err != nil {
		return err
	}
	if err := r.settleIntents(ctx); err != nil {
		return err
	}
	change := &state.Change{}
	err := r.sessions(ctx, change)
	if cerr := r.close(); err == nil {
		err = cerr
	}
	if r.a.After == nil {
		r.offline()
	}
	err = r.record(ctx, change, err)
	_ = r.db.View(func(v *state.View) error { // a figure: not worth an error
		r.sum.Known = v.Len()
		return nil
	})
	return err
}

func (r *run) load() error {
	if r.db == nil {
		return nil
	}
	return r.db.View(func(v *state.View) error {
		r.facts, r.failures = v.Facts(), v.Failures()
		if plan.NoteJump(&r.facts, r.now()) {
			r.addNote(jumpNote(&r.facts))
		}
		ServerQuirks(&r.facts, r.now())
		r.facts.NoUTF8 = !UTF8Quirk(&r.facts, r.now()).IsZero()
		r.facts.NoBinding = !BindingQuirk(&r.facts, r.now()).IsZero()
		r.sum.Known = v.Len()
		return nil
	})
}

// record ends the run in one transaction. It is the last thing that can go
// wrong and never hides an earlier error.
func (r *run) record(ctx context.Context, change *state.Change, err error) error {
	var own *Error
	if errors.As(err, &own) && own.Exit == ExitIO {
		return err // law 6: the state's own failure; nothing more is written
	}
	notePlaces(r.a, &r.facts)
	r.facts.ClockSeen = r.now()
	change.Facts = &r.facts
	change.Targets = r.targetIDs()
	change.Fail = append(change.Fail, r.takeFailures()...)
	r.spend(change)
	verdict := r.verdict(ctx, err)
	change.Run = &state.Run{
		Started: r.sum.Started,
		Seconds: r.now().Sub(r.sum.Started).Seconds(),
		Listed:  r.sum.Listed,
		Fetched: r.sum.Fetched,
		Skipped: r.sum.Skipped,
		Deleted: r.sum.Deleted,
		Failed:  r.sum.Failed,
		Bytes:   r.sum.Bytes,
		Exit:    int(ExitOf(verdict)),
	}
	if verdict != nil {
		change.Run.Error = verdict.Error()
	}
	fault.Point("poll.record")
	if aerr := r.db.Apply(change); aerr != nil && err == nil {
		return stateFailed(r.db, aerr)
	}
	return err
}

// verdict is the error that the run as a whole comes to.
func (r *run) verdict(ctx context.Context, err error) error {
	if err == nil {
		return joined(append(r.targetErrors(), r.partial(), r.aside())...)
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
	return joined(err, r.partial(), r.aside())
}

// besideStop is what went wrong in a run that was stopped, and not because it
// was: the state or a target cannot be written. That is then the news.
func (r *run) besideStop(err error) error {
	var errs []error
	var own *Error
	if errors.As(err, &own) && own.Exit == ExitIO {
		errs = append(errs, err)
	}
	for _, terr := range r.targetErrors() {
		if !errors.Is(terr, context.Canceled) {
			errs = append(errs, terr)
		}
	}
	return joined(errs...)
}

// partial is the error of the messages that failed, nil if none did.
func (r *run) partial() error {
	if r.sum.Failed == 0 {
		return nil
	}
	return &PartialError{Failed: r.sum.Failed, Unsent: r.unsent(), First: r.firstFailed()}
}

// jumpNote says so to a person.
func jumpNote(f *state.Facts) string {
	by, way := f.ClockJumped.Sub(f.ClockFrom), "after"
	if by < 0 {
		by, way = -by, "before"
	}
	gap := counted(int(by.Hours()/24), "day")
	if by < 48*time.Hour {
		gap = by.Round(time.Minute).String()
	}
	return fmt.Sprintf("this run is %s %s the last one: if mailhaul was not stopped so long, the clock was set; `keep` and `remember` count days from now on", gap, way)
}
