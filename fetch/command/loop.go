package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/logging"
	"github.com/mailhaul/mailhaul/fetch/command/sandbox"
	"github.com/mailhaul/mailhaul/fetch/command/watch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/schedule"
)

func loopCommand() *cli.Command {
	return &cli.Command{
		Name:        "loop",
		Usage:       "keep running and fetch by schedule, for systemd, containers and daemons",
		Description: "Fetch by the schedule in the configuration until a signal ends it:\n  mailhaul loop --log-format json",
		ArgsUsage:   "[ACCOUNT...]",
		Flags:       []cli.Flag{shardFlag()},
		Action:      runLoop,
	}
}

// loopRun is a loop and what is around it. Each configuration has an env of its
// own, which never changes.
type loopRun struct {
	cli      *cli.Context
	first    *call // of the start
	fetcher  *fetch.Fetcher
	confined *sandbox.Confinement
	status   *watch.StatusFiles
	watch    *watch.Watcher
	results  *watch.Results
	manager  watch.Systemd
	taken    takenOver
	troubles string // of accounts elsewhere, as they were logged last
}

func runLoop(c *cli.Context) error {
	part, err := shardOf(c)
	if err != nil {
		return err
	}
	e, err := withConfig(c)
	if err != nil {
		return err
	}
	e.log = e.loopLogger(c)
	e.builder.Log, e.shard = e.log, part
	l := &loopRun{cli: c, first: e, fetcher: e.fetcher(), status: watch.NewStatusFiles(e.builder.StateDir)}
	tasks, accounts, err := l.tasks(e)
	if err != nil {
		return err
	}
	l.status.Follow(idsOf(accounts))
	l.status.ExpireBy(expiries(e.builder, accounts))
	l.fill(&tasks)
	l.taken = takenOver{e.file, e.conf, len(tasks.List)}
	if !e.conf.Elsewhere.Any() {
		l.confined = e.confine(accounts, false)
	} else {
		e.log.Info("no sandbox: it could not allow what accounts from elsewhere will need")
	}
	return e.holdShard(c.Context, part, func(ctx context.Context) error { return l.run(ctx, tasks) })
}

// run works until ctx is done.
func (l *loopRun) run(ctx context.Context, tasks schedule.Tasks) error {
	e := l.first
	hup, usr1, stop := watch.Signals()
	defer stop()
	l.watch = e.watch(l.status, true)
	l.watch.Reloaded(nil)
	defer l.watch.Finish(ctx)
	l.results = e.results()
	l.results.EndWith(ctx)
	defer l.results.Close(ctx)
	around, cancel := context.WithCancel(context.WithoutCancel(ctx)) // outlives the runs
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if e.conf.Metrics.Listen != "" {
		wait, err := watch.ServeMetrics(around, e.log, &e.conf.Metrics, l.status, &l.watch.Reloads, version())
		if err != nil {
			return exit.CannotWrite(fmt.Errorf("metrics: %w", err))
		}
		wg.Go(wait)
	}
	reload, now := make(chan schedule.Tasks), make(chan struct{})
	wg.Go(func() { l.watch.Keep(around, l.tellStatus) })
	wg.Go(func() { l.obey(around, hup, usr1, reload, now) })

	f := l.fetcher
	if e.out.Verbose == 0 && e.conf.Log.Level > slog.LevelDebug {
		f.Log = logging.Only(e.log, func(r slog.Record) bool { return r.Level >= slog.LevelWarn }) // the watcher has a line for each run
	}
	f.Reporter = reporters{l.status, l.watch, l.results}
	if e.out.JSON {
		f.Reporter = reporters{l.status, l.watch, l.results, &printer{call: e, onlyJSON: true}}
	}
	loop := &schedule.Loop{Reload: reload, RunAll: now,
		Planned:   func(t *schedule.Task, next time.Time) { l.status.Planned(t.Name, next) },
		Tick:      l.manager.Alive,
		TickEvery: watch.WatchdogEvery(),
	}
	e.log.Info("loop begins", "accounts", len(tasks.List), "shard", e.shard.String(), "version", version())
	l.manager.Ready()
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() { defer close(told); l.manager.Stopping() })
	defer func() {
		if !forget() {
			<-told // before the process ends
		}
	}()
	err := loop.Run(ctx, tasks)
	e.log.Info("loop ends", "reason", cmp.Or(context.Cause(ctx), err))
	if e.out.Screen != nil && !e.out.Quiet {
		fmt.Fprintln(e.out.Err, "mailhaul: "+exit.Stopped(loopStopped).Error())
	}
	return exit.Printed(exit.Of(context.Canceled)) // the signal decides
}

// tasks makes what the loop works on, and the accounts in it. It finds all
// mistakes before any work.
func (l *loopRun) tasks(e *call) (schedule.Tasks, []*config.Account, error) {
	r := schedule.Tasks{Parallel: atOnce(e.conf.Parallel, openFiles()), PerHost: e.conf.PerHost}
	accounts, err := l.accounts(e)
	if err != nil {
		return r, nil, err
	}
	accounts = accountsOf(e.shard, accounts)
	own := slices.DeleteFunc(slices.Clone(accounts), func(a *config.Account) bool { return a.Source != "" }) // the runs of others fail
	if err := e.try(own, func(*fetch.Account) {}); err != nil {
		return r, nil, err
	}
	e.chosen = accounts
	for _, a := range accounts {
		r.List = append(r.List, schedule.Task{
			Name:     a.Name,
			ID:       a.ID,
			Host:     a.Server.Host,
			Schedule: a.Schedule,
			Sum:      a.Sum,
			Run:      l.fetcher.Task(a.Name, func() (*fetch.Account, error) { return e.open(a) }),
		})
	}
	return r, accounts, nil
}

// lookWait is how long a run waits for a command that only looks at the state.
const lookWait = 5 * time.Second

func (e *call) open(a *config.Account) (*fetch.Account, error) {
	fa, err := e.builder.Account(a)
	if err == nil {
		fa.Wait, fa.Moves = lookWait, e.shard.Of > 0
	}
	return fa, err
}

// fill adds what is known of earlier runs.
func (l *loopRun) fill(r *schedule.Tasks) {
	for i := range r.List {
		if s, ok := l.status.Get(r.List[i].Name); ok && s.LastRun != nil {
			r.List[i].Started, r.List[i].Class = s.LastRun.Started, fetch.ClassOf(fetch.Exit(s.LastRun.Exit))
		}
	}
}

// obey does what signals ask for until ctx is done.
func (l *loopRun) obey(ctx context.Context, hup, usr1 <-chan os.Signal, reload chan<- schedule.Tasks, now chan<- struct{}) {
	timer := time.NewTimer(l.taken.conf.Elsewhere.Refresh)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			l.refresh(ctx, reload)
			timer.Reset(l.taken.conf.Elsewhere.Refresh)
		case <-usr1:
			l.first.log.Info("fetching all accounts now")
			select {
			case now <- struct{}{}:
			case <-ctx.Done():
			}
		case <-hup:
			if l.first.out.Closed() {
				watch.End()
				return
			}
			l.manager.Reloading()
			r, err := l.rereadFile()
			l.watch.Reloaded(err)
			if err != nil {
				l.refuse(err)
			} else {
				select {
				case reload <- r:
					l.first.log.Info("configuration read again", "accounts", len(r.List))
				case <-ctx.Done():
				}
			}
			l.manager.Ready()
			timer.Reset(l.taken.conf.Elsewhere.Refresh)
		}
	}
}

// refuse logs why a configuration was not taken over, a record for each mistake.
func (l *loopRun) refuse(err error) {
	const text = "configuration not taken over; the old one stays"
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			l.first.log.Error(text, "file", m.File, "line", m.Line, "err", m.What(), "hint", advice.Text(exit.Config(m), advice.Situation{Running: true}))
		}
		return
	}
	causes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // one for each account
		causes = joined.Unwrap()
	}
	for _, err := range causes {
		l.first.log.Error(text, "err", err, "hint", advice.Text(err, advice.Situation{Running: true}))
	}
}

// rereadFile is reread for the file as it is now.
func (l *loopRun) rereadFile() (schedule.Tasks, error) {
	file, err := config.Read(l.taken.conf.Path)
	if err != nil {
		return schedule.Tasks{}, exit.Config(err)
	}
	return l.reread(file)
}

// reread takes over a configuration. On an error nothing has changed.
func (l *loopRun) reread(file *config.File) (schedule.Tasks, error) {
	e := *l.first
	e.builder = e.builder.Fresh()
	conf, err := e.parse(l.cli, file)
	if err != nil {
		return schedule.Tasks{}, exit.Config(err)
	}
	e.conf, e.file = conf, file
	if err := e.findState(l.cli); err != nil {
		return schedule.Tasks{}, err
	}
	if e.builder.StateDir != l.first.builder.StateDir || !conf.Metrics.Equal(&l.first.conf.Metrics) {
		return schedule.Tasks{}, restart(errors.New("state and metrics cannot change while loop runs"))
	}
	r, accounts, err := l.tasks(&e)
	if err != nil {
		return r, err
	}
	if l.confined != nil {
		missing, ok := l.confined.Covers(e.process().Confinement(accounts))
		if conf.Elsewhere.Any() {
			missing, ok = "include, accounts_from", false
		}
		if !ok {
			return r, restart(fmt.Errorf("the sandbox of this process does not allow it (%s)", missing))
		}
	}
	l.status.Follow(idsOf(accounts))
	l.status.ExpireBy(expiries(e.builder, accounts))
	l.watch.Configure(conf)
	l.watch.Reloads.Follow(e.sources())
	l.results.Configure(&conf.Result)
	l.fill(&r)
	l.taken = takenOver{file, conf, len(r.List)}
	return r, nil
}

// restart marks what only a new process can take over.
func restart(err error) error { return exit.Config(advice.Give(err, advice.Restart)) }

// tellStatus gives systemd a line for `systemctl status`.
func (l *loopRun) tellStatus() {
	l.manager.Status(watch.StatusLine(l.status.All()))
}
