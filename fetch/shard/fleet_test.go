//go:build unix

package shard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/schedule"
)

// fleet is accounts on many mail servers, divided into shards that processes on several
// machines take, lose and take again. Leases are real files, time is simulated.
type fleet struct {
	t        *testing.T
	dir      string
	of       int
	every    time.Duration
	accounts [][]*account // by shard, from 0

	mu      sync.Mutex
	runs    []int // by shard
	deaths  int
	moves   int
	refused int
	running int
	most    int
}

// account is what a volume with the state keeps while its shard moves.
type account struct {
	id, host string
	on       bool
	started  time.Time     // of the last run
	gap      time.Duration // the longest between two starts
}

// perShard is how many runs a process has at a time, perHost how many at one server.
const perShard, perHost = 64, 4

func newFleet(t *testing.T, accounts, hosts, of int, every time.Duration) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), of: of, every: every, accounts: make([][]*account, of), runs: make([]int, of)}
	for i := range accounts {
		host := fmt.Sprintf("pop%d.example.org", i%hosts)
		a := &account{id: fmt.Sprintf("user%d@%s", i, host), host: host}
		in := shardOf(a.id, of)
		if len(in) != 1 {
			t.Fatalf("%s is in the shards %v", a.id, in)
		}
		f.accounts[in[0]-1] = append(f.accounts[in[0]-1], a)
	}
	return f
}

// process is one that works on a shard until ctx is done. Killed, it leaves its lease
// and its runs as they are.
func (f *fleet) process(ctx context.Context, n int, kill <-chan struct{}) {
	l := newLease(f.dir, Shard{n + 1, f.of})
	if err := l.take(ctx, f.dir); err != nil {
		if errors.As(err, new(*HeldError)) {
			f.mu.Lock()
			f.refused++
			f.mu.Unlock()
		} else if ctx.Err() == nil {
			f.t.Error(err)
		}
		return
	}
	held, stop := l.keep(ctx)
	works, cancel := context.WithCancel(held)
	defer cancel()
	killed := false
	over := make(chan struct{})
	go func() {
		select {
		case <-kill:
			killed = true
		case <-ctx.Done():
		}
		cancel()
		close(over)
	}()
	_ = (&schedule.Loop{}).Run(works, f.tasks(n))
	<-over
	stop()
	if !killed {
		l.release()
	}
	if errors.As(context.Cause(held), new(*LostError)) {
		f.t.Errorf("shard %d: %v", n+1, context.Cause(held))
	}
}

func (f *fleet) tasks(n int) schedule.Tasks {
	tasks := schedule.Tasks{Parallel: perShard, PerHost: perHost}
	for _, a := range f.accounts[n] {
		tasks.List = append(tasks.List, schedule.Task{Name: a.id, ID: a.id, Host: a.host, Started: a.started,
			Schedule: schedule.Schedule{Every: f.every, Jitter: f.every / 10},
			Run:      func(ctx context.Context, _ schedule.Part) schedule.Result { return f.run(ctx, n, a) }})
	}
	return tasks
}

func (f *fleet) run(ctx context.Context, n int, a *account) schedule.Result {
	f.mu.Lock()
	if a.on {
		f.t.Errorf("%s: two runs at a time", a.id)
	}
	if !a.started.IsZero() {
		a.gap = max(a.gap, time.Since(a.started))
	}
	a.on, a.started = true, time.Now()
	f.runs[n]++
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(200+rand.IntN(1800)) * time.Millisecond):
	}
	f.mu.Lock()
	a.on = false
	f.running--
	f.mu.Unlock()
	return schedule.Result{}
}

// machine keeps a shard alive as an orchestrator does: it starts a process, on another
// machine once one is gone, and now and then a second one by mistake.
func (f *fleet) machine(ctx context.Context, n int) {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		kill, ended := make(chan struct{}), make(chan struct{})
		life, move := context.WithCancel(ctx)
		wg.Go(func() { defer close(ended); f.process(life, n, kill) })
		sleep(ctx, time.Duration(60+rng.IntN(240))*time.Minute)
		wg.Go(func() { f.process(ctx, n, nil) }) // the mistake: it must be refused
		sleep(ctx, time.Minute)
		if ctx.Err() != nil {
			move()
			return
		}
		f.mu.Lock()
		if rng.IntN(3) == 0 {
			f.moves++
			move()
		} else {
			f.deaths++
			close(kill)
		}
		f.mu.Unlock()
		<-ended
		move()
		sleep(ctx, time.Duration(rng.IntN(120))*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestFleet plays 6 hours of 10,000 accounts in 5 shards. MAILHAUL_FLEET=1000000,2000,200,24h,6h
// plays that many accounts, mail servers and shards for that long, each account every 6 hours.
func TestFleet(t *testing.T) {
	accounts, hosts, of, long, every := 10_000, 20, 5, 6*time.Hour, time.Hour
	if s := os.Getenv("MAILHAUL_FLEET"); s != "" {
		fields := strings.Split(s, ",")
		accounts, _ = strconv.Atoi(fields[0])
		hosts, _ = strconv.Atoi(fields[1])
		of, _ = strconv.Atoi(fields[2])
		long, _ = time.ParseDuration(fields[3])
		every, _ = time.ParseDuration(fields[4])
	}
	began, cpu := time.Now(), processorTime()
	f := newFleet(t, accounts, hosts, of, every)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		var wg sync.WaitGroup
		for n := range of {
			wg.Go(func() { f.machine(ctx, n) })
		}
		wg.Wait()
	})
	f.judge(t, accounts)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	runs := 0
	for _, n := range f.runs {
		runs += n
	}
	used := processorTime() - cpu
	t.Logf("%d accounts, %d servers, %d shards, %v: %d runs, %d processes killed, %d moved, %d second processes refused, at most %d runs at a time",
		accounts, hosts, of, long, runs, f.deaths, f.moves, f.refused, f.most)
	t.Logf("%v, %v of processor time: %v a run with its part of the leases, %d MiB", time.Since(began).Round(time.Second), used.Round(time.Second),
		used/time.Duration(max(runs, 1)), mem.Sys>>20)
}

// outage is how long an account may wait beyond its interval: a lease that expires, a
// start on another machine, the queue after it.
const outage = 5 * time.Minute

func (f *fleet) judge(t *testing.T, accounts int) {
	even := accounts / f.of
	least, most, runs, longest := accounts, 0, [2]int{1 << 60, 0}, time.Duration(0)
	for n, list := range f.accounts {
		least, most = min(least, len(list)), max(most, len(list))
		runs[0], runs[1] = min(runs[0], f.runs[n]), max(runs[1], f.runs[n])
		for _, a := range list {
			if a.started.IsZero() {
				t.Fatalf("%s never ran", a.id)
			}
			longest = max(longest, a.gap)
		}
	}
	if least < even*9/10 || most > even*11/10 || runs[0]*11 < runs[1]*9 {
		t.Errorf("shards have %d to %d accounts, and did %d to %d runs", least, most, runs[0], runs[1])
	}
	if limit := f.every + f.every/10 + outage; longest > limit {
		t.Errorf("an account waited %v, want at most %v", longest, limit)
	}
	if f.deaths == 0 || f.refused == 0 {
		t.Errorf("%d processes died, %d were refused: nothing was put to the test", f.deaths, f.refused)
	}
	t.Logf("%d to %d accounts a shard (%+.1f to %+.1f %%), %d to %d runs a shard, an account waited at most %v", least, most,
		float64(least-even)*100/float64(even), float64(most-even)*100/float64(even), runs[0], runs[1], longest)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
