package fetch

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// Job is one account in a loop.
type Job struct {
	// Name is the account's name, ID names its maildrop: a loop never has two
	// runs on one ID. Host is what PerHost counts by.
	Name, ID, Host string
	Schedule       Schedule
	// Open makes the account for one run; certificates and the like are read
	// anew each time. A run closes its targets.
	Open func() (*Account, error)
	// Started and Exit are of the last run by an earlier process, if known.
	Started time.Time
	Exit    Exit
}

// Roster is what a loop works on.
type Roster struct {
	Jobs []Job
	// Parallel is how many accounts run at a time, PerHost how many of them
	// against one server. Zero: 4, and no limit.
	Parallel, PerHost int
}

// Loop fetches accounts by their schedules. Its fields are set before Run and
// not changed afterwards.
type Loop struct {
	// Fetcher runs the accounts; its Parallel and PerHost do not count here.
	Fetcher *Fetcher
	// Reload replaces the roster: runs under way go on. Now makes every
	// account due, quiet time or not. Both may be nil.
	Reload <-chan Roster
	Now    <-chan struct{}
	// Planned is told when an account is due next, after each run and whenever
	// that changes; Beat is called at least every BeatEvery as long as the
	// loop is alive. Both are called by the goroutine of Run, must not block,
	// and may be nil.
	Planned   func(j *Job, next time.Time)
	Beat      func()
	BeatEvery time.Duration

	poll   func(context.Context, *Account) Summary // tests replace it
	random draw
}

// ending is a run that is over.
type ending struct {
	task *task
	host string
	own  plan.Limits
	sum  Summary
}

// loop is one call of Run.
type loop struct {
	*Loop
	*agenda
	roster Roster
	done   chan ending
	beat   time.Time
	clock  clockWatch
}

// Run fetches until ctx is done, waits for the runs under way, and returns the
// context's cause. No two runs are on one maildrop at any time.
func (l *Loop) Run(ctx context.Context, r Roster) error {
	s := &loop{Loop: l, agenda: newAgenda(), done: make(chan ending)}
	if s.random == nil {
		s.random = randomBelow
	}
	s.reload(r)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if s.clock.jumped(s.now()) {
			s.reload(s.roster)
		}
		s.due(s.now())
		s.dispatch(ctx)
		timer.Reset(s.untilNext())
		select {
		case <-timer.C:
		case e := <-s.done:
			s.finish(e)
		case r := <-l.Reload:
			s.reload(r)
		case <-l.Now:
			s.wakeAll()
		case <-ctx.Done():
		}
	}
	for s.running > 0 {
		s.finish(<-s.done)
	}
	return context.Cause(ctx)
}

func randomBelow(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

func (s *loop) now() time.Time { return s.Fetcher.now() }

func (s *loop) parallel() int { return cmp.Or(s.roster.Parallel, 4) }

// clockEvery is how often a loop that has nothing to do looks at the clock: a
// time to wait for may have been computed under one that was wrong.
const clockEvery = 15 * time.Minute

// untilNext is how long nothing is to be done, and beats the heart.
func (s *loop) untilNext() time.Duration {
	now := s.now()
	wait := clockEvery
	if len(s.heap) > 0 {
		wait = min(wait, s.heap[0].at.Sub(now))
	}
	if s.BeatEvery > 0 && s.Beat != nil {
		if now.Sub(s.beat) >= s.BeatEvery {
			s.beat = now
			s.Beat()
		}
		wait = min(wait, s.beat.Add(s.BeatEvery).Sub(now))
	}
	return max(wait, 0)
}

// dispatch starts what has a slot. What has waited into its quiet time goes
// back to sleep.
func (s *loop) dispatch(ctx context.Context) {
	for {
		t := s.pick(s.parallel(), s.roster.PerHost)
		if t == nil {
			return
		}
		if now := s.now(); !t.asked && !t.turn.asked && t.Schedule.Quiet.Contains(now) {
			s.plan(t, t.Schedule.awake(now, s.random))
			continue
		}
		s.start(ctx, t)
	}
}

func (s *loop) start(ctx context.Context, t *task) {
	t.phase, t.started = busy, s.now()
	if t.turn.started.IsZero() {
		t.turn.started, t.turn.asked, t.asked = t.started, t.asked, false
	}
	e := ending{task: t, host: t.Host}
	s.begin(e.host)
	scarce, turn, open := s.scarce(t.Host, s.parallel(), s.roster.PerHost), t.turn, t.Open
	name := t.Name
	go func() {
		a, err := open()
		if err != nil {
			e.sum = s.unopened(name, err)
		} else {
			e.own = a.Limits
			a.Limits = turnLimits(e.own, turn, scarce)
			e.sum = s.run(ctx, a)
		}
		s.done <- e
	}()
}

func (s *loop) run(ctx context.Context, a *Account) Summary {
	if s.poll != nil {
		return s.poll(ctx, a)
	}
	return s.Fetcher.poll(ctx, a, nil)
}

// unopened is the outcome of a run that could not begin.
func (s *loop) unopened(name string, err error) Summary {
	sum := Summary{Account: name, Started: s.now(), Err: err}
	s.Fetcher.report(Event{Account: name, Stage: Finished, Summary: &sum})
	return sum
}

// finish takes note of what a run came to and plans the next one.
func (s *loop) finish(e ending) {
	s.end(e.host)
	t := e.task
	if t.dropped {
		delete(s.tasks, t.ID)
		return
	}
	t.note(&e.sum)
	t.turn.add(&e.sum)
	now := s.now()
	soon := later(now, t.bounded(now).floor())
	if t.turn.more(e.own, &e.sum) {
		s.plan(t, soon)
		return
	}
	t.started, t.turn = t.turn.started, turn{}
	if t.asked && classOf(t.exit) == usual {
		s.plan(t, soon)
		return
	}
	t.asked = false
	s.plan(t, t.Schedule.next(t.past, now, s.random))
}

// note remembers what matters for the next start.
func (t *task) note(sum *Summary) {
	t.exit, t.login = ExitOf(sum.Err), sum.NextLogin
	if classOf(t.exit) == usual {
		t.failures = 0
	} else {
		t.failures++
	}
	var said *pop3.Error
	early := errors.As(sum.Err, &said) && said.Code == pop3.LoginDelay
	t.rest = learnRest(t.rest, early)
}

// plan puts a task to sleep and tells when it is due.
func (s *loop) plan(t *task, at time.Time) {
	s.sleep(t, at)
	if s.Planned != nil {
		s.Planned(&t.Job, at)
	}
}

// wakeAll makes every task due, save for a server's LOGIN-DELAY. A run under way
// may have its listing already: another one follows it, unless it fails.
func (s *loop) wakeAll() {
	now := s.now()
	for _, t := range s.tasks {
		t.asked = true
		if t.phase == asleep {
			s.leave(t)
			s.plan(t, later(now, t.bounded(now).floor()))
		}
	}
}

// reload takes over a roster. What it does not hold any more ends with its run
// under way; what is new is planned; the rest keeps its history.
func (s *loop) reload(r Roster) {
	s.roster = r
	keep := make(map[string]bool, len(r.Jobs))
	now := s.now()
	for _, j := range r.Jobs {
		keep[j.ID] = true
		t := s.tasks[j.ID]
		if t == nil {
			t = &task{Job: j, past: past{started: j.Started, exit: j.Exit}}
			if classOf(j.Exit) != usual {
				t.failures = 1
			}
			s.tasks[j.ID] = t
			s.plan(t, j.Schedule.first(t.past, now, s.random))
			continue
		}
		t.Job, t.dropped = j, false
		if t.phase == asleep && t.turn.started.IsZero() && !t.asked {
			s.leave(t)
			s.plan(t, later(j.Schedule.first(t.past, now, s.random), t.bounded(now).floor()))
		}
	}
	for id, t := range s.tasks {
		switch {
		case keep[id]:
		case t.phase == busy:
			t.dropped = true
		default:
			s.leave(t)
			delete(s.tasks, id)
		}
	}
}

// clockSet is how far the wall clock may part from the steady one.
const clockSet = 5 * time.Minute

// clockWatch finds out that the wall clock was set while the program ran.
type clockWatch struct{ wall, steady time.Time }

// jumped compares how far the wall clock and the steady one have gone since the
// last call. A machine that slept jumps, too.
func (w *clockWatch) jumped(wall time.Time) bool {
	wall, steady := wall.Round(0), time.Now() // without and with its steady part
	by := wall.Sub(w.wall) - steady.Sub(w.steady)
	first := w.steady.IsZero()
	w.wall, w.steady = wall, steady
	return !first && by.Abs() > clockSet
}
