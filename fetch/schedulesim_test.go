package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// world is 500 accounts on 25 hosts, simulated for a week: what polls did and
// what they came to.
type world struct {
	t         *testing.T
	rng       *rand.Rand
	perHost   int
	parallel  int
	mu        sync.Mutex
	on        map[string]bool // maildrops
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
	exit       Exit
}

func (w *world) poll(ctx context.Context, a *Account) Summary {
	start := time.Now()
	host := a.Name[strings.LastIndex(a.Name, "@")+1:]
	w.mu.Lock()
	if w.on[a.ID] {
		w.t.Errorf("two sessions on %s", a.ID)
	}
	if w.quiet[a.ID].Contains(start) {
		w.t.Errorf("%s started at %v, in its quiet time", a.ID, start)
	}
	w.on[a.ID] = true
	w.all++
	w.hosts[host]++
	w.most, w.mostHost = max(w.most, w.all), max(w.mostHost, w.hosts[host])
	if w.hosts[host] > w.perHost || w.all > w.parallel {
		w.t.Errorf("%d runs on %s, %d in all", w.hosts[host], host, w.all)
	}
	err := w.fate(a)
	took := time.Duration(1+w.rng.Int64N(10_000)) * time.Millisecond
	w.mu.Unlock()
	time.Sleep(took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on[a.ID] = false
	w.all--
	w.hosts[host]--
	w.ends[a.ID] = append(w.ends[a.ID], simRun{start, time.Now(), ExitOf(err)})
	return Summary{Account: a.Name, Started: start, Err: err}
}

// fate: every tenth account has a wrong password, every tenth a server that is
// down on Wednesday, and one run in fifty fails.
func (w *world) fate(a *Account) error {
	n := w.number(a.ID)
	switch {
	case n%10 == 3:
		return &Error{Exit: ExitAuth, Err: errors.New("refused")}
	case n%10 == 4 && time.Now().Weekday() == time.Wednesday:
		return &Error{Exit: ExitUnavailable, Err: errors.New("down")}
	case w.rng.IntN(50) == 0:
		return &Error{Exit: []Exit{ExitTemp, ExitUnavailable, ExitProtocol, ExitData}[w.rng.IntN(4)], Err: errors.New("x")}
	}
	return nil
}

func (w *world) number(id string) (n int) {
	fmt.Sscanf(id, "a%d", &n)
	return n
}

// TestWeek runs a week of 500 accounts with failures: each is polled as its
// schedule and the pauses of its failures promise, no host is above its limit,
// and no two sessions are on one maildrop.
func TestWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rng: rand.New(rand.NewPCG(1, 2)), parallel: 16, perHost: 3,
			on: make(map[string]bool), hosts: make(map[string]int), ends: make(map[string][]simRun),
			quiet: make(map[string]Window), plannedAt: make(map[string]time.Time)}
		r := Roster{Parallel: w.parallel, PerHost: w.perHost}
		for i := range 500 {
			r.Jobs = append(r.Jobs, w.job(i))
		}
		random := rand.New(rand.NewPCG(3, 4))
		l := &Loop{
			Fetcher: &Fetcher{},
			Planned: func(j *Job, at time.Time) { w.plannedAt[j.ID] = at },
			poll:    w.poll,
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
		if err := l.Run(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		for _, j := range r.Jobs {
			w.judge(j, began, time.Now())
		}
		if w.mostHost != w.perHost || w.most < 8 {
			t.Errorf("at most %d runs, %d on a host: the limits were not put to the test", w.most, w.mostHost)
		}
	})
}

func (w *world) job(i int) Job {
	every := []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour}[i%4]
	host := fmt.Sprintf("host%d", i%25)
	j := Job{Name: fmt.Sprintf("a%d@%s", i, host), ID: fmt.Sprintf("a%d", i), Host: host,
		Schedule: Schedule{Every: every, Jitter: every / 10}}
	if i%5 == 0 {
		j.Schedule.Quiet = Window{23 * time.Hour, 6 * time.Hour}
		w.quiet[j.ID] = j.Schedule.Quiet
	}
	j.Open = func() (*Account, error) { return &Account{Name: j.Name, ID: j.ID}, nil }
	return j
}

// slack is what waiting for a slot may take in this simulation.
const slack = 5 * time.Minute

// judge holds each run of an account against what was promised.
func (w *world) judge(j Job, began, ended time.Time) {
	runs := w.ends[j.ID]
	if len(runs) == 0 {
		w.t.Errorf("%s never ran", j.ID)
		return
	}
	if late := runs[0].start.Sub(j.Schedule.Quiet.after(began)); late > j.Schedule.Jitter*2+slack {
		w.t.Errorf("%s first ran after %v", j.ID, late)
	}
	failures := 0
	for i, r := range runs {
		if classOf(r.exit) == usual {
			failures = 0
		} else {
			failures++
		}
		earliest := r.start.Add(j.Schedule.Every)
		if failures > 0 {
			pause := r.end.Add(j.Schedule.pause(r.exit, failures))
			switch classOf(r.exit) {
			case refused:
				earliest = later(earliest, pause)
			case passing:
				earliest = sooner(earliest, pause)
			default:
				earliest = pause
			}
		}
		latest := j.Schedule.Quiet.after(earliest.Add(j.Schedule.Jitter + 30*time.Minute)).Add(j.Schedule.Jitter + slack)
		if failures == 0 {
			latest = j.Schedule.Quiet.after(earliest.Add(j.Schedule.Jitter)).Add(j.Schedule.Jitter + slack)
		}
		next := ended
		if i+1 < len(runs) {
			next = runs[i+1].start
			if next.Before(earliest) {
				w.t.Errorf("%s: run %d came %v too early after exit %d", j.ID, i+1, earliest.Sub(next), r.exit)
			}
		}
		if next.After(latest) {
			w.t.Errorf("%s: run %d came %v too late after exit %d at %v", j.ID, i+1, next.Sub(latest), r.exit, r.end)
		}
	}
	if w.number(j.ID)%10 == 3 && len(runs) > 2+7*24/4 {
		w.t.Errorf("%s: %d logins in a week with a password that is refused", j.ID, len(runs))
	}
}

// TestFairness lets accounts with endless mail share two slots with a small
// one: the small one has its turn after one turn of each.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var waits []time.Duration
		var turns int
		began := time.Now()
		l := &Loop{Fetcher: &Fetcher{}, random: noJitter, poll: func(ctx context.Context, a *Account) Summary {
			start := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if a.ID == "small" {
				waits = append(waits, start.Sub(began))
				return Summary{Started: start, Fetched: 1}
			}
			if a.Limits.Messages != turnMessages || a.Limits.Bytes != turnBytes {
				t.Errorf("a turn without bounds: %+v", a.Limits)
			}
			turns++
			mu.Unlock()
			time.Sleep(time.Minute)
			mu.Lock()
			return Summary{Started: start, Fetched: a.Limits.Messages, Bytes: 1, Skips: map[plan.Reason]int{plan.OverLimit: 1}}
		}}
		r := Roster{Parallel: 2}
		for _, id := range []string{"huge1", "huge2", "huge3", "small"} {
			r.Jobs = append(r.Jobs, Job{Name: id, ID: id, Schedule: Schedule{Every: 10 * time.Minute},
				Open: func() (*Account, error) { return &Account{Name: id, ID: id}, nil }})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+30*time.Second)
		defer cancel()
		_ = l.Run(ctx, r)
		for i, at := range waits {
			if late := at - time.Duration(i)*10*time.Minute; late < 0 || late > 4*time.Minute {
				t.Errorf("small had its turn %d after %v", i, at)
			}
		}
		if len(waits) < 6 || turns < 100 {
			t.Errorf("%d turns of the small one, %d of the huge ones", len(waits), turns)
		}
	})
}

// TestReload changes the roster while runs are under way.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		count := make(map[string]int)
		on := make(map[string]bool)
		l := &Loop{Fetcher: &Fetcher{Log: slog.New(slog.DiscardHandler)}, random: noJitter,
			poll: func(ctx context.Context, a *Account) Summary {
				s := Summary{Started: time.Now()}
				mu.Lock()
				if on[a.ID] {
					t.Errorf("two sessions on %s", a.ID)
				}
				on[a.ID] = true
				count[a.Name]++
				mu.Unlock()
				time.Sleep(10 * time.Second)
				mu.Lock()
				on[a.ID] = false
				mu.Unlock()
				return s
			}}
		job := func(name, id string) Job {
			return Job{Name: name, ID: id, Schedule: Schedule{Every: time.Minute},
				Open: func() (*Account, error) { return &Account{Name: name, ID: id}, nil }}
		}
		reload, now := make(chan Roster), make(chan struct{})
		l.Reload, l.Now = reload, now
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- l.Run(ctx, Roster{Jobs: []Job{job("stays", "1"), job("goes", "2"), job("old", "3")}}) }()
		time.Sleep(5 * time.Second) // all three are busy
		reload <- Roster{Jobs: []Job{job("stays", "1"), job("new", "3"), job("comes", "4")}}
		time.Sleep(55*time.Second + 6*time.Second)
		now <- struct{}{} // all are busy, since 6 s or 1 s: each runs once more
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

// TestAskedDuringRun: the run that follows one in which SIGUSR1 came does not
// come too early for the server, and not after a failure.
func TestAskedDuringRun(t *testing.T) {
	early := &pop3.LoginError{Err: &pop3.Error{Command: "PASS", Code: pop3.LoginDelay, Text: "too early"}}
	refused := &Error{Exit: ExitAuth, Err: errors.New("refused")}
	const minute = time.Minute
	for name, tc := range map[string]struct {
		poll   func(n int, since time.Duration) Summary // the nth run, so long after the last one began
		reload time.Duration
		want   []time.Duration // when the first runs begin
	}{
		"at once": {func(int, time.Duration) Summary { return Summary{} },
			0, []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30*time.Second + 5*minute}},
		"a server that wants a minute between two, and does not say so": {func(n int, since time.Duration) Summary {
			if n > 0 && since < minute {
				return Summary{Err: early}
			}
			return Summary{}
		}, 0, []time.Duration{0, 10 * time.Second, 70 * time.Second, 130 * time.Second, 130*time.Second + 5*minute}},
		"a refused login": {func(int, time.Duration) Summary { return Summary{Err: refused} },
			0, []time.Duration{0, 10*time.Second + 15*minute}},
		"LOGIN-DELAY, and SIGHUP meanwhile": {func(n int, _ time.Duration) Summary {
			return Summary{NextLogin: time.Now().Add(-10 * time.Second).Add(2 * minute)}
		}, minute, []time.Duration{0, 2 * minute, 4 * minute, 6 * minute, 11 * minute}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var last time.Time
				var runs []time.Duration
				now, reload := make(chan struct{}), make(chan Roster)
				roster := Roster{Jobs: []Job{{Name: "a", ID: "a", Schedule: Schedule{Every: 5 * minute},
					Open: func() (*Account, error) { return &Account{Name: "a", ID: "a"}, nil }}}}
				l := &Loop{Fetcher: &Fetcher{}, random: noJitter, Now: now, Reload: reload, poll: func(context.Context, *Account) Summary {
					n, since := len(runs), time.Since(last)
					last = time.Now()
					runs = append(runs, time.Since(begin))
					if n < 3 {
						time.Sleep(5 * time.Second)
						now <- struct{}{}
						time.Sleep(5 * time.Second)
					}
					s := tc.poll(n, since)
					s.Started = last
					return s
				}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if tc.reload > 0 {
					go func() {
						time.Sleep(tc.reload)
						reload <- roster
					}()
				}
				_ = l.Run(ctx, roster)
				if got := runs[:min(len(runs), len(tc.want))]; !slices.Equal(got, tc.want) {
					t.Errorf("runs at %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// TestSignalsDoNotLockOut: a program that sends SIGUSR1 with each new mail does
// not have a refused login tried each time.
func TestSignalsDoNotLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		now := make(chan struct{})
		l := &Loop{Fetcher: &Fetcher{}, random: noJitter, Now: now, poll: func(context.Context, *Account) Summary {
			tries++
			return Summary{Started: time.Now(), Err: &Error{Exit: ExitAuth, Err: errors.New("refused")}}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		go func() {
			for signal := time.Tick(time.Second); ; {
				select {
				case now <- struct{}{}:
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
		_ = l.Run(ctx, Roster{Jobs: []Job{{Name: "a", ID: "a", Schedule: Schedule{Every: time.Hour},
			Open: func() (*Account, error) { return &Account{Name: "a", ID: "a"}, nil }}}})
		if tries != 11 {
			t.Errorf("%d tries in ten minutes, want one a minute", tries)
		}
	})
}

// TestRefusalsDoNotHammer: a login that was refused in words that sound like
// time is tried no more often than any other refused one.
func TestRefusalsDoNotHammer(t *testing.T) {
	for text, want := range map[string]int{
		"Invalid user name or password, please try again": 1,
		"Account locked by administrator":                 1,
		"Disk quota exceeded, wait":                       1,
		"so sorry":                                        1,
		"internal error":                                  840,
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			l := &Loop{Fetcher: &Fetcher{}, random: noJitter, poll: func(context.Context, *Account) Summary {
				tries++
				return Summary{Started: time.Now(), Err: &pop3.LoginError{Login: "USER", Err: &pop3.Error{Command: "PASS", Text: text}}}
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 14*time.Minute-time.Millisecond)
			defer cancel()
			_ = l.Run(ctx, Roster{Jobs: []Job{{Name: "a", ID: "a", Schedule: Schedule{Every: time.Second},
				Open: func() (*Account, error) { return &Account{Name: "a", ID: "a"}, nil }}}})
			if tries != want {
				t.Errorf("%q: %d logins in 14 minutes, want %d", text, tries, want)
			}
		})
	}
}

// TestAskedInTurns: where a run goes to the end of the queue after a turn, all
// of it is what SIGUSR1 asked for, and a signal in any turn asks for one more
// run.
func TestAskedInTurns(t *testing.T) {
	for name, tc := range map[string]struct {
		schedule Schedule
		limit    int           // of the account's runs
		at       time.Duration // the signal; a turn takes a minute
		want     int           // messages left after half an hour, of 2500
	}{
		"in its quiet time":  {Schedule{Every: 24 * time.Hour, Quiet: Window{0, 24*time.Hour - time.Minute}}, 0, time.Second, 0},
		"nobody asks":        {Schedule{Every: 24 * time.Hour}, 1500, 2 * time.Hour, 1000},
		"in the first turn":  {Schedule{Every: 24 * time.Hour}, 1500, 30 * time.Second, 0},
		"in the second turn": {Schedule{Every: 24 * time.Hour}, 1500, 150 * time.Second, 0},
		"between the two":    {Schedule{Every: 24 * time.Hour}, 1500, 90 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := map[string]int{"huge": 2500, "small": 1}
				now := make(chan struct{})
				l := &Loop{Fetcher: &Fetcher{}, random: noJitter, Now: now, poll: func(_ context.Context, a *Account) Summary {
					time.Sleep(time.Minute)
					n := min(left[a.Name], a.Limits.Messages)
					left[a.Name] -= n
					return Summary{Started: time.Now(), Fetched: n, Skips: map[plan.Reason]int{plan.OverLimit: left[a.Name]}}
				}}
				job := func(name string, s Schedule) Job {
					return Job{Name: name, ID: name, Schedule: s,
						Open: func() (*Account, error) {
							return &Account{Name: name, ID: name, Limits: plan.Limits{Messages: tc.limit}}, nil
						}}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				go func() {
					select {
					case <-time.After(tc.at):
						now <- struct{}{}
					case <-ctx.Done():
					}
				}()
				_ = l.Run(ctx, Roster{Parallel: 1, Jobs: []Job{job("huge", tc.schedule), job("small", Schedule{Every: time.Hour})}})
				if left["huge"] != tc.want {
					t.Errorf("%d messages left, want %d", left["huge"], tc.want)
				}
			})
		})
	}
}

// TestBeat asks for a sign of life while nothing is to be done, and for the
// end of the runs under way before Run returns.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats, finished := 0, false
		l := &Loop{Fetcher: &Fetcher{}, random: noJitter, Beat: func() { beats++ }, BeatEvery: 10 * time.Second,
			poll: func(ctx context.Context, a *Account) Summary {
				<-ctx.Done()
				time.Sleep(time.Second)
				finished = true
				return Summary{Started: time.Now(), Err: stopped(ctx, ctx.Err())}
			}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		_ = l.Run(ctx, Roster{Jobs: []Job{{Name: "a", ID: "a", Open: func() (*Account, error) { return &Account{}, nil }}}})
		if beats != 7 || !finished {
			t.Errorf("%d beats in 61 s, run finished: %v", beats, finished)
		}
	})
}
