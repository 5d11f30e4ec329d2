package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/logging"
	"github.com/mailhaul/mailhaul/fetch/command/sandbox"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/shard"
)

// call is one command line: where it prints, its log, the configuration, and what
// makes its accounts run.
type call struct {
	out     *term.Output
	log     *slog.Logger
	conf    *config.Config // nil before it is read, and with --from
	builder *account.Builder
	chosen  []*config.Account // what build was given last
	from    elsewhere
	shard   shard.Shard  // the part of the accounts that fetch and loop work on
	file    *config.File // that conf is of
}

func streams(c *cli.Context) term.Streams { return c.App.Metadata["std"].(term.Streams) }

// newCall reads the global options. It does not read the configuration.
func newCall(c *cli.Context) (*call, error) {
	e := &call{out: term.NewOutput(streams(c), c.Bool("json"), c.Bool("quiet"), c.Count("verbose"), c.Bool("no-color"), c.Bool("no-progress"))}
	var err error
	e.log, err = e.newLogger(c)
	e.builder = account.NewBuilder(e.log, e.out.Verbose > 1, e.out.Password)
	return e, err
}

// process is this process, for its sandbox.
func (e *call) process() sandbox.Process {
	return sandbox.Process{Log: e.log, StateDir: e.builder.StateDir, Conf: e.conf}
}

// confine keeps the process to what the accounts need; nil if it is not confined.
func (e *call) confine(accounts []*config.Account, anew bool) *sandbox.Confinement {
	if !e.out.Alone {
		return nil
	}
	return e.process().Confine(accounts, anew)
}

// newLogger makes the log on stderr. Without -v only warnings show; -vv also
// shows the dialogue with the server, which package pop3 has already redacted.
func (e *call) newLogger(c *cli.Context) (*slog.Logger, error) {
	f := c.String("log-format")
	if f != "text" && f != "json" {
		return nil, exit.Usagef("--log-format is text or json, not %q", f)
	}
	return logging.New(e.out.Err, logging.Options{Level: logLevel(e.out, slog.LevelWarn, slog.LevelError+1), JSON: f == "json", Terminal: e.out.Screen != nil}), nil
}

// loopLogger is the log of loop: its form and level are the configuration's,
// which the options of the command line override.
func (e *call) loopLogger(c *cli.Context) *slog.Logger {
	json := e.conf.Log.JSON
	if c.IsSet("log-format") {
		json = c.String("log-format") == "json"
	}
	return logging.New(e.out.Err, logging.Options{Level: logLevel(e.out, e.conf.Log.Level, slog.LevelError), JSON: json, Terminal: e.out.Screen != nil})
}

// logLevel is what --quiet and --verbose make of a level.
func logLevel(out *term.Output, normal, quiet slog.Level) slog.Level {
	switch {
	case out.Quiet:
		return quiet
	case out.Verbose == 1:
		return min(normal, slog.LevelInfo)
	case out.Verbose > 1:
		return slog.LevelDebug
	}
	return normal
}

// withConfig is newCall with the configuration loaded.
func withConfig(c *cli.Context) (*call, error) {
	e, err := newCall(c)
	if err != nil {
		return nil, err
	}
	path := cmp.Or(c.String("config"), config.DefaultPath())
	if e.file, err = config.Read(path); err == nil {
		e.conf, err = e.parse(c, e.file)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, exit.Config(advice.Give(fmt.Errorf("no configuration at %s", path), advice.MakeConfig))
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.Config(advice.Give(err, advice.ConfigOwner))
	case err != nil:
		return nil, exit.Config(err)
	}
	return e, e.findState(c)
}

// crowd is where the memory of accounts counts for more than processor time.
const crowd = 1000

// loadConfig reads a configuration. With many accounts the process collects its garbage
// twice as often from then on.
func loadConfig(f *config.File, o config.Options) (*config.Config, error) {
	usual := debug.SetGCPercent(50)
	conf, err := f.Parse(o)
	if err != nil || len(conf.Accounts) < crowd {
		debug.SetGCPercent(usual)
	}
	return conf, err
}

// withAccounts is withConfig with the accounts that the command line names.
func withAccounts(c *cli.Context) (*call, []*config.Account, error) {
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	accounts, err := e.accounts(c.Args().Slice())
	return e, accounts, err
}

// withLoginUsers is withAccounts, where a login stands for the accounts that use it.
func withLoginUsers(c *cli.Context) (*call, []*config.Account, error) {
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range c.Args().Slice() {
		isLogin := slices.ContainsFunc(e.conf.Logins, func(o *config.OAuth) bool { return o.Login == name })
		isAccount := slices.ContainsFunc(e.conf.Accounts, func(a *config.Account) bool { return a.Name == name })
		if isAccount || !isLogin {
			names = append(names, name)
		}
		if users := loginUsers(e.conf, name); isLogin && len(users) > 0 {
			names = append(names, users...)
		} else if isLogin && !isAccount {
			return nil, nil, exit.Usage(fmt.Errorf("no account uses the login %s", name))
		}
	}
	accounts, err := e.accounts(names)
	return e, accounts, err
}

// withAccount is withConfig with the one account that names name.
func withAccount(c *cli.Context, names []string) (*call, *config.Account, error) {
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	a, err := e.oneAccount(names)
	return e, a, err
}

// global is the context of the options before the command.
func global(c *cli.Context) *cli.Context {
	lineage := c.Lineage()
	for i := len(lineage) - 1; i >= 0; i-- {
		if lineage[i] != nil && lineage[i].Command != nil {
			return lineage[i]
		}
	}
	return c
}

// findState decides where the state is: the option, the configuration, XDG.
func (e *call) findState(c *cli.Context) (err error) {
	e.builder.StateDir = global(c).String("state") // import has a --state of its own
	if e.builder.StateDir == "" && e.conf != nil {
		e.builder.StateDir = e.conf.State
	}
	if e.builder.StateDir == "" {
		if e.builder.StateDir, err = config.DefaultState(); err != nil {
			return exit.Config(err)
		}
	}
	e.builder.StateDir, err = filepath.Abs(e.builder.StateDir)
	return err
}

// accounts returns the named accounts, or all enabled ones.
func (e *call) accounts(names []string) ([]*config.Account, error) {
	var out []*config.Account
	if len(names) == 0 {
		e.from.report(e)
		for _, a := range e.conf.Accounts {
			if a.Enabled {
				out = append(out, a)
			}
		}
		if len(out) == 0 {
			if errs := e.from.troubles; len(errs) > 0 {
				return nil, exit.Settled(errs)
			}
			return nil, exit.Config(advice.Give(fmt.Errorf("%s: no account is enabled", e.conf.Path), advice.EnableAccount))
		}
		return out, nil
	}
	left := make(map[string]*config.Account)
	for _, a := range e.conf.Accounts {
		left[a.Name] = a
	}
	for _, name := range names {
		switch a, ok := left[name]; {
		case !ok:
			e.from.report(e)
			return nil, unknownAccount(e.conf, name)
		case a != nil:
			out = append(out, a)
			left[name] = nil // named twice, it is fetched once
		}
	}
	return out, nil
}

// unknownAccount is the error of a name that is no account's, nor one of logins.
func unknownAccount(c *config.Config, name string, logins ...string) error {
	known := logins
	for _, a := range c.Accounts {
		known = append(known, a.Name)
	}
	if hint := config.DidYouMean(name, known); hint != "" {
		return exit.Usage(advice.Give(fmt.Errorf("no account %q in %s%s", name, c.Path, hint), advice.ListAccounts))
	}
	return exit.Usage(advice.Give(fmt.Errorf("no account %q in %s; there is: %s", name, c.Path, strings.Join(known, ", ")), advice.ListAccounts))
}

// oneAccount is for commands that work on one account.
func (e *call) oneAccount(names []string) (*config.Account, error) {
	if len(names) != 1 {
		return nil, exit.Usage(advice.Give(errors.New("name one account"), advice.ListAccounts))
	}
	list, err := e.accounts(names)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// askPasswords asks for those passwords that the chosen accounts have nowhere,
// before any work: later, several would ask at once and servers would wait.
func (e *call) askPasswords(ctx context.Context) error {
	if e.out.In == nil || !term.IsTerminal(e.out.In) {
		return nil
	}
	for _, a := range e.chosen {
		for _, unknown := range account.UnknownPasswords(a) {
			password, err := term.ReadPassword(ctx, e.out.In, e.out.Err, unknown.Prompt)
			if err != nil {
				return err
			}
			unknown.Password = config.PlainSecret(password)
		}
	}
	return nil
}

// reporters passes each event to several.
type reporters []fetch.Reporter

// Report implements fetch.Reporter.
func (rs reporters) Report(e fetch.Event) {
	for _, r := range rs {
		r.Report(e)
	}
}
