package schedule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// world is 500 tasks on 25 hosts, simulated for a week: what their runs did and
// what they came to.
type world struct {
	t         *testing.T
	rng       *rand.Rand
	perHost   int
	parallel  int
	mu        sync.Mutex
	on        map[string]bool // by ID
	hosts     map[string]int
	all       int
	most      int // runs at a time
	mostHost  int
	ends      map[string][]simRun
	quiet     map[string]Window
	plannedAt map[string]time.Time
}

type simRun struct {
	start, end time.Time
	class      Class
}

func (w *world) run(id, host string) Result {
	start := time.Now()
	w.mu.Lock()
	if w.on[id] {
		w.t.Errorf("two runs of %s", id)
	}
	if w.quiet[id].Contains(start) {
		w.t.Errorf("%s started at %v, in its quiet time", id, start)
	}
	w.on[id] = true
	w.all++
	w.hosts[host]++
	w.most, w.mostHost = max(w.most, w.all), max(w.mostHost, w.hosts[host])
	if w.hosts[host] > w.perHost || w.all > w.parallel {
		w.t.Errorf("%d runs on %s, %d in all", w.hosts[host], host, w.all)
	}
	class := w.fate(id)
	took := time.Duration(1+w.rng.Int64N(10_000)) * time.Millisecond
	w.mu.Unlock()
	time.Sleep(took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on[id] = false
	w.all--
	w.hosts[host]--
	w.ends[id] = append(w.ends[id], simRun{start, time.Now(), class})
	return Result{Class: class}
}

// fate: every tenth task is refused, every tenth has a host that is down on
// Wednesday, and one run in fifty fails.
func (w *world) fate(id string) Class {
	n := w.number(id)
	switch {
	case n%10 == 3:
		return Refused
	case n%10 == 4 && time.Now().Weekday() == time.Wednesday:
		return Temporary
	case w.rng.IntN(50) == 0:
		return []Class{Temporary, Temporary, Faulty, Usual}[w.rng.IntN(4)]
	}
	return Usual
}

func (w *world) number(id string) (n int) {
	fmt.Sscanf(id, "a%d", &n)
	return n
}

// TestWeek runs a week of 500 tasks with failures: each runs as its
// schedule and the pauses of its failures promise, no host is above its limit,
// and none runs twice at a time.
func TestWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rng: rand.New(rand.NewPCG(1, 2)), parallel: 16, perHost: 3,
			on: make(map[string]bool), hosts: make(map[string]int), ends: make(map[string][]simRun),
			quiet: make(map[string]Window), plannedAt: make(map[string]time.Time)}
		tasks := Tasks{Parallel: w.parallel, PerHost: w.perHost}
		for i := range 500 {
			tasks.List = append(tasks.List, w.task(i))
		}
		random := rand.New(rand.NewPCG(3, 4))
		l := &Loop{
			Planned: func(t *Task, at time.Time) { w.plannedAt[t.ID] = at },
			random: func(d time.Duration) time.Duration {
				if d <= 0 {
					return 0
				}
				return time.Duration(random.Int64N(int64(d)))
			},
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 7*24*time.Hour)
		defer cancel()
		if err := l.Run(ctx, tasks); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		for _, task := range tasks.List {
			w.judge(task, began, time.Now())
		}
		if w.mostHost != w.perHost || w.most < 8 {
			t.Errorf("at most %d runs, %d on a host: the limits were not put to the test", w.most, w.mostHost)
		}
	})
}

func (w *world) task(i int) Task {
	every := []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour}[i%4]
	id, host := fmt.Sprintf("a%d", i), fmt.Sprintf("host%d", i%25)
	t := Task{Name: id + "@" + host, ID: id, Host: host, Schedule: Schedule{Every: every, Jitter: every / 10}}
	if i%5 == 0 {
		t.Schedule.Quiet = Window{23 * time.Hour, 6 * time.Hour}
		w.quiet[id] = t.Schedule.Quiet
	}
	t.Run = func(context.Context, Part) Result { return w.run(id, host) }
	return t
}

// slack is how long a task may wait for a worker slot in this simulation.
const slack = 5 * time.Minute

// judge holds each run of a task against what was promised.
func (w *world) judge(t Task, began, ended time.Time) {
	runs := w.ends[t.ID]
	if len(runs) == 0 {
		w.t.Errorf("%s never ran", t.ID)
		return
	}
	if late := runs[0].start.Sub(t.Schedule.Quiet.after(began)); late > t.Schedule.Jitter*2+slack {
		w.t.Errorf("%s first ran after %v", t.ID, late)
	}
	failures := 0
	for i, r := range runs {
		if r.class == Usual {
			failures = 0
		} else {
			failures++
		}
		earliest := r.start.Add(t.Schedule.Every)
		if failures > 0 {
			pause := r.end.Add(t.Schedule.pause(r.class, failures))
			switch r.class {
			case Refused:
				earliest = later(earliest, pause)
			case Temporary:
				earliest = sooner(earliest, pause)
			default:
				earliest = pause
			}
		}
		latest := t.Schedule.Quiet.after(earliest.Add(t.Schedule.Jitter + 30*time.Minute)).Add(t.Schedule.Jitter + slack)
		if failures == 0 {
			latest = t.Schedule.Quiet.after(earliest.Add(t.Schedule.Jitter)).Add(t.Schedule.Jitter + slack)
		}
		next := ended
		if i+1 < len(runs) {
			next = runs[i+1].start
			if next.Before(earliest) {
				w.t.Errorf("%s: run %d came %v too early after class %d", t.ID, i+1, earliest.Sub(next), r.class)
			}
		}
		if next.After(latest) {
			w.t.Errorf("%s: run %d came %v too late after class %d at %v", t.ID, i+1, next.Sub(latest), r.class, r.end)
		}
	}
	if w.number(t.ID)%10 == 3 && len(runs) > 2+7*24/4 {
		w.t.Errorf("%s: %d runs in a week that are refused", t.ID, len(runs))
	}
}

// single is a task of its own host that runs as fn says.
func single(id string, s Schedule, fn func(Part) Result) Task {
	return Task{Name: id, ID: id, Schedule: s, Run: func(_ context.Context, p Part) Result { return fn(p) }}
}

// runFor runs a loop for so long.
func runFor(t *testing.T, l *Loop, d time.Duration, tasks Tasks) {
	t.Helper()
	l.random = noJitter
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	_ = l.Run(ctx, tasks)
}

// TestFairness lets tasks with endless work share two worker slots with a small
// one: the small one runs after one part of each.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var waits []time.Duration
		parts := 0
		began := time.Now()
		tasks := Tasks{Parallel: 2}
		for _, id := range []string{"huge1", "huge2", "huge3"} {
			tasks.List = append(tasks.List, single(id, Schedule{Every: 10 * time.Minute}, func(p Part) Result {
				mu.Lock()
				defer mu.Unlock()
				if !p.Short {
					t.Error("a part without bounds")
				}
				parts++
				mu.Unlock()
				time.Sleep(time.Minute)
				mu.Lock()
				return Result{Messages: 1000, Bytes: 1, More: true}
			}))
		}
		tasks.List = append(tasks.List, single("small", Schedule{Every: 10 * time.Minute}, func(Part) Result {
			waits = append(waits, time.Since(began))
			return Result{Messages: 1}
		}))
		runFor(t, &Loop{}, time.Hour+30*time.Second, tasks)
		for i, at := range waits {
			if late := at - time.Duration(i)*10*time.Minute; late < 0 || late > 4*time.Minute {
				t.Errorf("run %d of the small one began after %v", i, at)
			}
		}
		if len(waits) < 6 || parts < 100 {
			t.Errorf("%d runs of the small one, %d parts of the huge ones", len(waits), parts)
		}
	})
}

// TestReload changes the tasks while runs are under way.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		count := make(map[string]int)
		on := make(map[string]bool)
		task := func(name, id string) Task {
			return Task{Name: name, ID: id, Schedule: Schedule{Every: time.Minute}, Run: func(context.Context, Part) Result {
				mu.Lock()
				if on[id] {
					t.Errorf("two runs of %s", id)
				}
				on[id] = true
				count[name]++
				mu.Unlock()
				time.Sleep(10 * time.Second)
				mu.Lock()
				on[id] = false
				mu.Unlock()
				return Result{}
			}}
		}
		reload, runAll := make(chan Tasks), make(chan struct{})
		l := &Loop{random: noJitter, Reload: reload, RunAll: runAll}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() {
			over <- l.Run(ctx, Tasks{List: []Task{task("stays", "1"), task("goes", "2"), task("old", "3")}})
		}()
		time.Sleep(5 * time.Second) // all three are busy
		reload <- Tasks{List: []Task{task("stays", "1"), task("new", "3"), task("comes", "4")}}
		time.Sleep(55*time.Second + 6*time.Second)
		runAll <- struct{}{} // all are busy, since 6 s or 1 s: each runs once more
		time.Sleep(24 * time.Second)
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		want := map[string]int{"stays": 3, "goes": 1, "old": 1, "new": 2, "comes": 3}
		for name, n := range want {
			if count[name] != n {
				t.Errorf("%s ran %d times, want %d: %v", name, count[name], n, count)
			}
		}
	})
}

// TestForcedDuringRun: the run that follows one in which RunAll came does not
// come too early for the host, and not after a failure.
func TestForcedDuringRun(t *testing.T) {
	const minute = time.Minute
	for name, tc := range map[string]struct {
		run    func(n int, since time.Duration) Result // the nth run, so long after the last one began
		reload time.Duration
		want   []time.Duration // when the first runs begin
	}{
		"at once": {func(int, time.Duration) Result { return Result{} },
			0, []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30*time.Second + 5*minute}},
		"a host that wants a minute between two, and does not say so": {func(n int, since time.Duration) Result {
			if n > 0 && since < minute {
				return Result{Class: Temporary, TooEarly: true}
			}
			return Result{}
		}, 0, []time.Duration{0, 10 * time.Second, 70 * time.Second, 130 * time.Second, 130*time.Second + 5*minute}},
		"refused": {func(int, time.Duration) Result { return Result{Class: Refused} },
			0, []time.Duration{0, 10*time.Second + 15*minute}},
		"a host that says how long to wait, and Reload meanwhile": {func(n int, _ time.Duration) Result {
			return Result{Earliest: time.Now().Add(-10 * time.Second).Add(2 * minute)}
		}, minute, []time.Duration{0, 2 * minute, 4 * minute, 6 * minute, 11 * minute}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var last time.Time
				var runs []time.Duration
				runAll, reload := make(chan struct{}), make(chan Tasks)
				tasks := Tasks{List: []Task{single("a", Schedule{Every: 5 * minute}, func(Part) Result {
					n, since := len(runs), time.Since(last)
					last = time.Now()
					runs = append(runs, time.Since(begin))
					if n < 3 {
						time.Sleep(5 * time.Second)
						runAll <- struct{}{}
						time.Sleep(5 * time.Second)
					}
					return tc.run(n, since)
				})}}
				if tc.reload > 0 {
					go func() {
						time.Sleep(tc.reload)
						reload <- tasks
					}()
				}
				runFor(t, &Loop{RunAll: runAll, Reload: reload}, time.Hour, tasks)
				if got := runs[:min(len(runs), len(tc.want))]; !slices.Equal(got, tc.want) {
					t.Errorf("runs at %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// TestRunAllDoesNotLockOut: a program that asks for a run with each new mail does
// not have a refused login tried each time.
func TestRunAllDoesNotLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		runAll := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		go func() {
			for signal := time.Tick(time.Second); ; {
				select {
				case runAll <- struct{}{}:
				case <-ctx.Done():
					return
				}
				select {
				case <-signal:
				case <-ctx.Done(): // the clock of a bubble stands once the test is over
					return
				}
			}
		}()
		_ = (&Loop{random: noJitter, RunAll: runAll}).Run(ctx,
			Tasks{List: []Task{single("a", Schedule{Every: time.Hour}, func(Part) Result {
				tries++
				return Result{Class: Refused}
			})}})
		if tries != 11 {
			t.Errorf("%d tries in ten minutes, want one a minute", tries)
		}
	})
}

// TestRefusalsDoNotHammer: what is refused is not tried again soon.
func TestRefusalsDoNotHammer(t *testing.T) {
	for class, want := range map[Class]int{Refused: 1, Faulty: 2, Temporary: 840} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			runFor(t, &Loop{}, 14*time.Minute-time.Millisecond,
				Tasks{List: []Task{single("a", Schedule{Every: time.Second}, func(Part) Result {
					tries++
					return Result{Class: class}
				})}})
			if tries != want {
				t.Errorf("class %d: %d runs in 14 minutes, want %d", class, tries, want)
			}
		})
	}
}

// TestForcedInParts: where a run goes to the end of the queue after a part, all
// of it is what RunAll asked for, and RunAll in any part asks for one more run.
func TestForcedInParts(t *testing.T) {
	for name, tc := range map[string]struct {
		schedule Schedule
		limit    int           // of the task's runs
		at       time.Duration // RunAll; a part takes a minute
		want     int           // messages left after half an hour, of 2500
	}{
		"in its quiet time":  {Schedule{Every: 24 * time.Hour, Quiet: Window{0, 24*time.Hour - time.Minute}}, 0, time.Second, 0},
		"nobody asks":        {Schedule{Every: 24 * time.Hour}, 1500, 2 * time.Hour, 1000},
		"in the first part":  {Schedule{Every: 24 * time.Hour}, 1500, 30 * time.Second, 0},
		"in the second part": {Schedule{Every: 24 * time.Hour}, 1500, 150 * time.Second, 0},
		"between the two":    {Schedule{Every: 24 * time.Hour}, 1500, 90 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := 2500
				huge := func(p Part) Result {
					time.Sleep(time.Minute)
					n := min(left, 1000)
					if tc.limit > 0 {
						n = min(n, tc.limit-p.Messages)
					}
					left -= n
					return Result{Messages: n, More: left > 0 && n > 0 && (tc.limit == 0 || p.Messages+n < tc.limit)}
				}
				small := func(Part) Result {
					time.Sleep(time.Minute)
					return Result{Messages: 1}
				}
				runAll := make(chan struct{})
				go func() {
					select {
					case <-time.After(tc.at):
						runAll <- struct{}{}
					case <-t.Context().Done():
					}
				}()
				runFor(t, &Loop{RunAll: runAll}, 30*time.Minute, Tasks{Parallel: 1,
					List: []Task{single("huge", tc.schedule, huge), single("small", Schedule{Every: time.Hour}, small)}})
				if left != tc.want {
					t.Errorf("%d messages left, want %d", left, tc.want)
				}
			})
		})
	}
}

// TestTick asks for a sign of life while there is nothing to do, and for the end
// of the runs under way before Run returns.
func TestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks, finished := 0, false
		l := &Loop{Tick: func() { ticks++ }, TickEvery: 10 * time.Second}
		runFor(t, l, time.Minute+time.Second, Tasks{List: []Task{{ID: "a", Run: func(ctx context.Context, _ Part) Result {
			<-ctx.Done()
			time.Sleep(time.Second)
			finished = true
			return Result{Class: Temporary}
		}}}})
		if ticks != 7 || !finished {
			t.Errorf("%d ticks in 61 s, run finished: %v", ticks, finished)
		}
	})
}

// TestClockSetBack: a run that is planned under a clock that is ahead is planned
// again when the clock is set.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		ahead.Store(int64(10 * 365 * 24 * time.Hour))
		runs := 0
		l := &Loop{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }}
		hourly := Schedule{Cron: func(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }}
		go func() {
			time.Sleep(150 * time.Minute)
			ahead.Store(0)
		}()
		runFor(t, l, 6*time.Hour+time.Minute, Tasks{List: []Task{single("a", hourly, func(Part) Result {
			runs++
			return Result{}
		})}})
		if runs < 5 || runs > 7 {
			t.Errorf("%d runs in six hours, want one an hour", runs)
		}
	})
}
