// Package schedule runs tasks by the clock: when each is due, how long it pauses
// after failures, and how many run at a time, in all and on one host. It knows
// nothing of what a task does.
package schedule

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Schedule says when a task runs. Times of day are those of the
// location that the times passed in carry.
type Schedule struct {
	// Every is the time from the start of one run to the start of the next.
	Every time.Duration
	// Cron returns the first time after a given one; it replaces Every. The
	// zero time means never.
	Cron func(after time.Time) time.Time
	// Jitter is the most that is added to a start at random.
	Jitter time.Duration
	// Quiet is a time of day at which no run starts.
	Quiet Window
}

// Window is a time of day, from midnight, that may reach over midnight. To is
// outside. The zero value is no time at all. Both are whole minutes.
type Window struct{ From, To time.Duration }

// Contains reports whether t's wall clock is in the window.
func (w Window) Contains(t time.Time) bool {
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	if w.From <= w.To {
		return w.From <= at && at < w.To
	}
	return at >= w.From || at < w.To
}

// after returns t, or the first minute after it that is outside the window. It
// goes minute by minute: on the days that are 23 or 25 hours long a clock time
// may not exist or exist twice, and this is right on all of them.
func (w Window) after(t time.Time) time.Time {
	if !w.Contains(t) {
		return t
	}
	t = t.Truncate(time.Minute)
	for range 25 * 60 {
		t = t.Add(time.Minute)
		if !w.Contains(t) {
			break
		}
	}
	return t
}

// draw returns a random duration in [0, most); 0 if most is not positive.
type draw func(most time.Duration) time.Duration

// regular is when the schedule wants a task that was last started at a
// given time; the zero time if it never was, which is now. Of several tasks
// that are late none waits for its jitter: the worker slots spread them.
func (s Schedule) regular(started, now time.Time, random draw) time.Time {
	switch {
	case s.Cron != nil:
		at := s.Cron(now)
		if at.IsZero() {
			return never(now)
		}
		return s.awake(at.Add(random(s.Jitter)), random)
	case started.IsZero():
		return s.awake(now, random)
	}
	return s.awake(later(started.Add(s.Every+random(s.Jitter)), now), random)
}

// awake moves a start out of the quiet time, and not all to its very end.
func (s Schedule) awake(at time.Time, random draw) time.Time {
	if end := s.Quiet.after(at); end.After(at) {
		return end.Add(random(s.Jitter))
	}
	return at
}

// never is far enough not to come.
func never(now time.Time) time.Time { return now.AddDate(10, 0, 0) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// past is what a task's last runs came to.
type past struct {
	started  time.Time // the last run
	class    Class
	failures int           // in a row
	earliest time.Time     // not before: the host said so
	rest     time.Duration // between two starts: the host refused a run as too early
}

// bounded is the past as far as it can be true: nothing was started later than
// now, and no host wants a longer rest between two runs than a day.
func (p past) bounded(now time.Time) past {
	p.started, p.earliest = sooner(p.started, now), sooner(p.earliest, now.Add(24*time.Hour))
	return p
}

// refusedRest is the least time between a refused login and the next try,
// whoever asks for it: many in a row lock an account.
const refusedRest = time.Minute

// floor is the earliest time at which a run makes sense: what the host said, the
// rest that it showed by refusing a run as too early, or refusedRest.
func (p past) floor() time.Time {
	rest := p.rest
	if p.class == Refused {
		rest = max(rest, refusedRest)
	}
	return later(p.earliest, p.started.Add(rest))
}

// next is when a task is due again, now that its run is over.
func (s Schedule) next(p past, now time.Time, random draw) time.Time {
	p = p.bounded(now)
	at := s.regular(p.started, now, random)
	if p.failures > 0 {
		pause := s.pause(p.class, p.failures)
		retry := s.awake(now.Add(pause+random(pause/10)), random)
		switch p.class {
		case Temporary:
			at = sooner(at, retry)
		case Refused:
			at = later(at, retry)
		case Faulty:
			at = retry
		}
	}
	if floor := p.floor(); floor.After(at) {
		at = s.Quiet.after(floor)
	}
	return at
}

// first is when a task is due that this process has not run yet. What
// is known of earlier processes counts: a service that is started again and
// again must not hammer a server that refused it.
func (s Schedule) first(p past, now time.Time, random draw) time.Time {
	p = p.bounded(now)
	if p.failures == 0 || p.started.IsZero() {
		return s.regular(p.started, now, random)
	}
	pause := s.pause(p.class, 1)
	return s.awake(later(p.started.Add(pause), now), random)
}

// Class sorts the outcomes of runs by how soon another one makes sense.
type Class uint8

const (
	// Usual: at the usual time.
	Usual Class = iota
	// Temporary: soon. The network failed, or the host is busy.
	Temporary
	// Refused: late. Another try may lock the account.
	Refused
	// Faulty: not too soon. The host or this machine is not as it should be.
	Faulty
)

// pause is the wait after so many failures in a row.
func (s Schedule) pause(c Class, failures int) time.Duration {
	n := min(failures-1, 10)
	switch c {
	case Temporary:
		most := time.Hour
		if s.Cron == nil {
			most = min(most, max(s.Every, time.Second))
		}
		return min(30*time.Second<<n, most)
	case Refused:
		return min(15*time.Minute<<(2*n), 4*time.Hour)
	case Faulty:
		return min(5*time.Minute<<n, time.Hour)
	}
	return 0
}

// Each runs something once for each of some hosts, in their order and within
// the limits of Tasks: who waits for a busy host lets others go first. A call
// of run must call release once, when another one may begin. Each returns the
// indices of those that a done ctx kept from beginning, and waits for the rest.
func Each(ctx context.Context, hosts []string, parallel, perHost int, run func(i int, release func())) (left []int) {
	g, index := newAgenda(), make(map[*entry]int, len(hosts))
	for i, host := range hosts {
		e := &entry{Task: Task{Host: host}}
		index[e] = i
		g.enqueue(e)
	}
	released := make(chan string, len(hosts))
	var wg sync.WaitGroup
	defer wg.Wait()
	for len(g.queue) > 0 && ctx.Err() == nil {
		e := g.pick(cmp.Or(parallel, DefaultParallel), perHost)
		if e != nil {
			g.begin(e.Host)
			wg.Go(func() { run(index[e], func() { released <- e.Host }) })
			continue
		}
		select {
		case host := <-released:
			g.end(host)
		case <-ctx.Done():
		}
	}
	for _, e := range g.queue {
		left = append(left, index[e])
	}
	return left
}
