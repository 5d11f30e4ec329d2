package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/logging"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
)

func fetchCommand() *cli.Command {
	return &cli.Command{
		Name:        "fetch",
		Usage:       "fetch new mail once, by hand or from cron",
		Description: "Fetch the new mail of all accounts, and print only failures:\n  mailhaul fetch --quiet",
		ArgsUsage:   "[ACCOUNT...]",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "keep", Usage: "delete nothing from the server in this run"},
			&cli.BoolFlag{Name: "delete", Usage: "delete all delivered messages from the server in this run"},
			&cli.IntFlag{Name: "limit", Usage: "fetch at most `N` messages of each account", DefaultText: "all"},
			&cli.BoolFlag{Name: "all", Usage: "also fetch messages that were fetched before"},
			trustImportedFlag(),
			waitFlag(),
			&cli.StringFlag{Name: "plan", Usage: "do exactly what plan --save wrote to `FILE`, or nothing", TakesFile: true},
			&cli.StringFlag{Name: "exit-style", Usage: "use exit statuses in `STYLE`: mailhaul or fetchmail", Value: "mailhaul"},
			&cli.BoolFlag{Name: "create-target", Usage: "create a Maildir or mbox again that received mail before and is missing now"},
			shardFlag(),
		}, sourceFlags()...),
		Action: runFetch,
	}
}

// trustImportedFlag makes keep and --delete hold for imported entries, too.
func trustImportedFlag() cli.Flag {
	return &cli.BoolFlag{Name: "trust-imported", Usage: "also delete messages that only another program fetched, according to its imported list"}
}

func runFetch(c *cli.Context) error {
	if err := checkOverride(c); err != nil {
		return err
	}
	style := c.String("exit-style")
	if style != "mailhaul" && style != "fetchmail" {
		return exit.Usagef("--exit-style is mailhaul or fetchmail, not %q", style)
	}
	e, list, err := chosen(c)
	if err != nil {
		return err
	}
	if err := e.askPasswords(c.Context); err != nil {
		return err
	}
	return e.holdShard(c.Context, e.shard, func(ctx context.Context) error {
		sums := e.fetch(ctx, list)
		if style == "fetchmail" {
			return exit.Fetchmail(e.from.ends(sums), slices.ContainsFunc(sums, func(s fetch.Summary) bool { return s.Fetched > 0 }))
		}
		return verdict(sums, e.from.ends(sums))
	})
}

// checkOverride finds options of this run that cannot be meant.
func checkOverride(c *cli.Context) error {
	if c.Bool("keep") && c.Bool("delete") {
		return exit.Usagef("--keep and --delete exclude each other")
	}
	if c.IsSet("limit") && c.Int("limit") < 1 {
		return exit.Usagef("--limit wants a number above 0")
	}
	if c.Duration("wait") < 0 {
		return exit.Usagef("--wait wants a duration such as 10m")
	}
	return nil
}

// override applies the options of this run to an account.
func override(c *cli.Context, a *fetch.Account) {
	shape(a, savedOptions(c))
	a.Wait = c.Duration("wait")
	a.CreateTargets = c.Bool("create-target")
}

// shape applies the options that decide what a run does.
func shape(a *fetch.Account, o plan.SavedOptions) {
	switch {
	case o.Keep:
		a.Policy.Keep = plan.Keep{}
	case o.Delete:
		a.Policy.Keep = plan.Keep{None: true}
	}
	if o.Limit > 0 {
		a.Limits.Messages = o.Limit
	}
	a.Policy.All = o.All
	a.Policy.TrustImported = o.TrustImported
}

// build makes the engine's accounts; all mistakes are found before any work.
func (e *call) build(accounts []*config.Account, change func(*fetch.Account)) ([]*fetch.Account, error) {
	var list []*fetch.Account
	err := e.try(accounts, func(a *fetch.Account) {
		change(a)
		list = append(list, a)
	})
	return list, err
}

// try is build for one account after the other: who only wants the mistakes keeps none.
func (e *call) try(accounts []*config.Account, use func(*fetch.Account)) error {
	e.chosen = accounts
	var errs []error
	for _, a := range accounts {
		if len(a.Deliver) == 0 {
			errs = append(errs, exit.Usagef("--from needs --to"))
			continue
		}
		fa, err := e.builder.Account(a)
		if err != nil {
			if !e.from.unbuilt(e, a, err) {
				errs = append(errs, err)
			}
			continue
		}
		use(fa)
	}
	return errors.Join(errs...)
}

// fetch runs the accounts and prints each as it finishes.
func (e *call) fetch(ctx context.Context, list []*fetch.Account) []fetch.Summary {
	e.confine(e.chosen, len(list) > 0 && list[0].CreateTargets)
	status := e.statuses(list)
	watcher := e.watch(status, false)
	results := e.results()
	reps := reporters{status, watcher, results}
	done := func() {}
	if e.out.Bars {
		b := term.NewBars(e.out.Screen)
		defer context.AfterFunc(ctx, b.Home)()
		reps, done = append(reps, b), b.Close
	} else if !e.out.Quiet {
		reps = append(reps, term.NewLines(e.out.Err))
	}
	f := e.fetcher()
	p := &printer{call: e}
	f.Reporter = append(reps, p)
	if e.out.Screen != nil && e.out.Verbose == 0 {
		f.Log = logging.Only(e.log, func(r slog.Record) bool { // the printer shows these
			return r.Message != "target stopped" && r.Message != "message failed"
		})
	}
	told := tellStopping(ctx, e.out.Err)
	sums := f.Run(ctx, list)
	told()
	done()
	watcher.Finish(ctx)
	results.Close(ctx)
	for i := range sums {
		if sums[i].NotBegun {
			p.print(&sums[i])
		}
	}
	if len(sums) >= totalFrom && !e.out.JSON && !e.out.Quiet {
		writeTotal(e.out.Out, sums)
	}
	if slices.ContainsFunc(sums, func(s fetch.Summary) bool { return errors.Is(s.Err, context.Canceled) }) {
		fmt.Fprintln(e.out.Err, "mailhaul: "+exit.Stopped(fetchStopped(sums)).Error())
	}
	return sums
}

// tellStopping says to a person who has stopped a run why it does not end at once. The
// function that it returns ends that.
func tellStopping(ctx context.Context, w io.Writer) (end func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-over:
			return
		}
		select {
		case <-time.After(stopPatience):
			fmt.Fprintln(w, "mailhaul: stopping; deliveries under way are completed first, which may take half a minute; "+
				"a second signal ends it at once, and the next run completes them")
		case <-over:
		}
	})
	return func() { close(over); wg.Wait() }
}

// stopPatience is how long a run that was stopped may take before that is explained.
const stopPatience = 2 * time.Second

// waitFlag is that of each command that needs the maildrop or logs in.
func waitFlag() cli.Flag {
	return &cli.DurationFlag{Name: "wait", Usage: "wait up to `DURATION` for a maildrop that another run holds, and for the server's LOGIN-DELAY", DefaultText: "do not wait"}
}

func (e *call) fetcher() *fetch.Fetcher {
	f := &fetch.Fetcher{StateDir: e.builder.StateDir, Recover: target.Rows().Recoverers(), Log: e.log}
	if e.conf != nil {
		f.Parallel, f.PerHost = parallel(e.conf, e.log), e.conf.PerHost
	}
	return f
}

// printer prints a line or an object for each account that finishes.
type printer struct {
	*call
	onlyJSON bool // the log has the rest
	mu       sync.Mutex
}

// Report implements fetch.Reporter.
func (p *printer) Report(e fetch.Event) {
	if e.Stage == ledger.Finished {
		p.print(e.Summary)
	}
}

func (p *printer) print(s *fetch.Summary) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.out.JSON:
		_ = jsonline.Write(p.out.Out, summaryRow(s, p.hint))
	case !p.out.Quiet || s.Err != nil:
		writeLine(p.out.Out, s)
	}
	if p.onlyJSON {
		return
	}
	if s.Err != nil && !errors.Is(s.Err, context.Canceled) {
		mail := s.Mail()
		if p.out.JSON {
			mail = "" // the object has it
		}
		p.failed(s.Account, s.Err, mail)
	}
	p.out.Notes(s.Account, s.Notes)
}

// verdict is the end of several accounts' runs, which are printed. Errs are theirs, and
// what was wrong before them.
func verdict(sums []fetch.Summary, errs []error) error {
	if slices.ContainsFunc(sums, func(s fetch.Summary) bool { return s.Stopped }) {
		return exit.Printed(exit.Of(context.Canceled)) // the signal decides
	}
	return exit.Settled(errs)
}

func errorsOf(sums []fetch.Summary) (errs []error) {
	for i := range sums {
		errs = append(errs, sums[i].Err)
	}
	return errs
}
