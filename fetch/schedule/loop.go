package schedule

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"
)

// Task is what a Loop runs by a schedule.
type Task struct {
	// Name is the task's name for people. A loop never has two runs with one
	// ID. Host is what PerHost counts by.
	Name, ID, Host string
	Schedule       Schedule
	// Run does the task, or a part of it.
	Run func(context.Context, Part) Result
	// Started and Class are of the last run by an earlier process, if known.
	Started time.Time
	Class   Class
	// Sum is another one when the task does something else.
	Sum uint64
}

// Part is the part of a run that is to be done now. Where tasks outnumber the
// worker slots, a run goes to the end of the queue after each part: a huge
// mailbox delays the small ones by minutes, not by a day.
type Part struct {
	// Messages and Bytes are what earlier parts of this run did.
	Messages int
	Bytes    int64
	// Short: others may wait for the worker slot.
	Short bool
}

// Result is what a run, or a part of it, came to.
type Result struct {
	Class Class
	// Messages and Bytes are what it did.
	Messages int
	Bytes    int64
	// More: it was cut short because the part was to be short.
	More bool
	// Earliest is when the host allows the next run; zero: at any time.
	Earliest time.Time
	// TooEarly: the host refused it because it came too soon after the last
	// one, and does not say how long to wait.
	TooEarly bool
}

// Tasks is what a loop works on.
type Tasks struct {
	List []Task
	// Parallel is how many tasks run at a time, PerHost how many of them on
	// one host. Zero: DefaultParallel, and no limit.
	Parallel, PerHost int
	// Refresh: tasks whose Sum is the same go on with their plan and their pauses. Nobody
	// asks for another try.
	Refresh bool
}

// DefaultParallel is how many tasks run at a time.
const DefaultParallel = 4

// Loop runs tasks by their schedules. Its fields are set before Run and not
// changed afterwards; all may be nil.
type Loop struct {
	// Reload replaces the tasks: runs under way go on. RunAll makes every task
	// due, quiet time or not.
	Reload <-chan Tasks
	RunAll <-chan struct{}
	// Planned is called when it changes when a task is due next, and after each
	// run. Tick is called at least every TickEvery as long as the loop is alive.
	// The goroutine of Run calls both; they must not block.
	Planned   func(t *Task, next time.Time)
	Tick      func()
	TickEvery time.Duration
	// Clock replaces time.Now.
	Clock func() time.Time

	random draw // tests replace it
}

// ending is a run that is over.
type ending struct {
	entry *entry
	host  string
	Result
}

// loop is one call of Run.
type loop struct {
	*Loop
	*agenda
	tasks  Tasks
	done   chan ending
	ticked time.Time
	clock  clockWatch
}

// Run works until ctx is done, waits for the runs under way, and returns the
// context's cause. No two runs have the same ID at any time.
func (l *Loop) Run(ctx context.Context, tasks Tasks) error {
	s := &loop{Loop: l, agenda: newAgenda(), done: make(chan ending)}
	if s.random == nil {
		s.random = randomBelow
	}
	s.reload(tasks)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if s.clock.jumped(s.now()) {
			s.reload(s.tasks)
		}
		s.due(s.now())
		s.dispatch(ctx)
		timer.Reset(s.untilNext())
		select {
		case <-timer.C:
		case e := <-s.done:
			s.finish(e)
		case tasks := <-l.Reload:
			s.reload(tasks)
		case <-l.RunAll:
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

func (s *loop) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

func (s *loop) parallel() int { return cmp.Or(s.tasks.Parallel, DefaultParallel) }

// clockEvery is how often a loop that has nothing to do looks at the clock: a
// time to wait for may have been computed under one that was wrong.
const clockEvery = 15 * time.Minute

// untilNext is how long there is nothing to do. It also ticks.
func (s *loop) untilNext() time.Duration {
	now := s.now()
	wait := clockEvery
	if len(s.heap) > 0 {
		wait = min(wait, s.heap[0].at.Sub(now))
	}
	if s.TickEvery > 0 && s.Tick != nil {
		if now.Sub(s.ticked) >= s.TickEvery {
			s.ticked = now
			s.Tick()
		}
		wait = min(wait, s.ticked.Add(s.TickEvery).Sub(now))
	}
	return max(wait, 0)
}

// dispatch starts what gets a worker slot. What has waited into its quiet time
// goes back to sleep.
func (s *loop) dispatch(ctx context.Context) {
	for {
		e := s.pick(s.parallel(), s.tasks.PerHost)
		if e == nil {
			return
		}
		if now := s.now(); !e.forced && !e.run.forced && e.Schedule.Quiet.Contains(now) {
			s.plan(e, e.Schedule.awake(now, s.random))
			continue
		}
		s.start(ctx, e)
	}
}

func (s *loop) start(ctx context.Context, e *entry) {
	e.phase, e.started = busy, s.now()
	if e.run.started.IsZero() {
		e.run.started, e.run.forced, e.forced = e.started, e.forced, false
	}
	s.begin(e.Host)
	end := ending{entry: e, host: e.Host}
	part := Part{e.run.messages, e.run.bytes, s.scarce(e.Host, s.parallel(), s.tasks.PerHost)}
	run := e.Run
	go func() {
		end.Result = run(ctx, part)
		s.done <- end
	}()
}

// finish takes note of what a run came to and plans the next one.
func (s *loop) finish(end ending) {
	s.end(end.host)
	e := end.entry
	if e.dropped {
		delete(s.entries, e.ID)
		return
	}
	e.note(&end.Result)
	e.run.messages += end.Messages
	e.run.bytes += end.Bytes
	now := s.now()
	soon := later(now, e.bounded(now).floor())
	if end.More {
		s.plan(e, soon)
		return
	}
	e.started, e.run = e.run.started, run{}
	if e.forced && e.class == Usual {
		s.plan(e, soon)
		return
	}
	e.forced = false
	s.plan(e, e.Schedule.next(e.past, now, s.random))
}

// note remembers what matters for the next start.
func (e *entry) note(r *Result) {
	e.class, e.earliest = r.Class, r.Earliest
	if r.Class == Usual {
		e.failures = 0
	} else {
		e.failures++
	}
	if r.TooEarly { // the rest that the host wants only grows
		e.rest = min(max(2*e.rest, time.Minute), time.Hour)
	}
}

// plan puts a task to sleep until it is due.
func (s *loop) plan(e *entry, at time.Time) {
	s.sleep(e, at)
	if s.Planned != nil {
		s.Planned(&e.Task, at)
	}
}

// wakeAll makes every task due, as early as its host allows. A run under way may
// not see what is new: another one follows it, unless it fails.
func (s *loop) wakeAll() {
	now := s.now()
	for _, e := range s.entries {
		e.forced = true
		if e.phase == asleep {
			s.leave(e)
			s.plan(e, later(now, e.bounded(now).floor()))
		}
	}
}

// reload takes over tasks. What they do not hold any more ends with its run
// under way; what is new is planned; the rest keeps its history.
func (s *loop) reload(tasks Tasks) {
	refresh := tasks.Refresh
	tasks.Refresh = false // not if the clock makes us plan them again
	s.tasks = tasks
	keep := make(map[string]bool, len(tasks.List))
	now := s.now()
	for _, t := range tasks.List {
		keep[t.ID] = true
		e := s.entries[t.ID]
		if e == nil {
			e = &entry{Task: t, past: past{started: t.Started, class: t.Class}}
			if t.Class != Usual {
				e.failures = 1
			}
			s.entries[t.ID] = e
			s.plan(e, t.Schedule.first(e.past, now, s.random))
			continue
		}
		same := refresh && e.Sum == t.Sum
		e.Task, e.dropped = t, false
		if !same && e.phase == asleep && e.run.started.IsZero() && !e.forced {
			s.leave(e)
			s.plan(e, later(t.Schedule.first(e.past, now, s.random), e.bounded(now).floor()))
		}
	}
	for id, e := range s.entries {
		switch {
		case keep[id]:
		case e.phase == busy:
			e.dropped = true
		default:
			s.leave(e)
			delete(s.entries, id)
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
