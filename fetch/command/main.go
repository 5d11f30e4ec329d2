// Package command is the command line: one file a command. It is the only
// package that may import all others; main.go calls Main and nothing else.
package command

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// Main runs one command line and returns the exit code. Results go to out,
// everything else to err.
func Main(ctx context.Context, args []string, std term.Streams) int {
	if process.Help() {
		return 0
	}
	app := newApp(std)
	if len(args) == 2 && args[1] == "--version" { // what people try first
		args = []string{args[0], "version"}
	}
	if len(args) > 2 && args[1] == completeWord {
		completeLine(app, args[2:])
		return 0
	}
	ordered, err := permute(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	code := exit.Code(ctx, err)
	switch {
	case err == nil || exit.IsPrinted(err):
	case code == fetch.ExitInterrupted || code == fetch.ExitTerminated:
		printStopped(std.Err, err)
		printFatal(std.Out, args, exit.Stop(err, nothingTouched), err, code)
	default:
		err = helped(app, args, err)
		printError(std.Err, err)
		printFatal(std.Out, args, nil, err, code)
	}
	return int(code)
}

// helped names the help of the command that was used wrongly.
func helped(app *cli.App, args []string, err error) error {
	if !exit.IsUsage(err) || errors.As(err, new(*advice.Error)) {
		return err
	}
	path, list := "mailhaul", app.Commands
	for _, word := range args[1:] {
		if i := slices.IndexFunc(list, func(c *cli.Command) bool { return c.Name == word }); i >= 0 {
			path, list = path+" "+word, list[i].Subcommands
		}
	}
	if path == "mailhaul" {
		return err
	}
	return advice.Give(err, advice.Help(path))
}

// newApp builds the command tree. Nothing in it ends the process.
func newApp(std term.Streams) *cli.App {
	return &cli.App{
		Name:      "mailhaul",
		Usage:     "fetch mail from POP3 servers, each message exactly once",
		UsageText: "mailhaul [global options] command [options] [ACCOUNT...]",
		Version:   version(),
		Reader:    std.In,
		Writer:    std.Out,
		ErrWriter: std.Err,
		Flags:     hideFalse(globalFlags()),
		Commands:  commands(),
		Metadata:  map[string]any{"std": std},
		Suggest:   false,
		// A path, and the argument of a program, may hold a comma.
		DisableSliceFlagSeparator: true,

		HideVersion:            true,
		UseShortOptionHandling: true,
		ExitErrHandler:         func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return badFlag(err, globalFlags())
		},
		CommandNotFound: nil,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c)
			}
			_ = cli.ShowAppHelp(c)
			return exit.Printed(exit.Of(exit.Usagef("no command")))
		},
	}
}

func unknownCommand(c *cli.Context) error {
	name := c.Args().First()
	var known []string
	for _, cmd := range c.App.Commands {
		known = append(known, cmd.Name)
	}
	return exit.Usagef("no command %q%s", name, config.DidYouMean(name, known))
}

func commands() []*cli.Command {
	list := []*cli.Command{
		initCommand(),
		fetchCommand(),
		loopCommand(),
		planCommand(),
		checkCommand(),
		statusCommand(),
		stateCommand(),
		loginCommand(),
		logoutCommand(),
		tokenCommand(),
		verifyCommand(),
		purgeCommand(),
		reportCommand(),
		importCommand(),
		completionCommand(),
		versionCommand(),
	}
	for _, c := range list {
		tellBadFlags(c)
	}
	tellHelp(list)
	return list
}

// tellBadFlags makes a command and those below it say what is wrong with an
// option, and leaves them all words that are not options.
func tellBadFlags(c *cli.Command) {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return badFlag(err, append(globalFlags(), c.Flags...))
	}
	// The library gives each command a subcommand help, h: the word after fetch
	// is the name of an account.
	c.HideHelpCommand = len(c.Subcommands) == 0
	for _, sub := range c.Subcommands {
		tellBadFlags(sub)
	}
}

// namesOf are the long names of flags.
func namesOf(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		names = append(names, f.Names()[0])
	}
	return names
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Aliases: []string{"c"}, EnvVars: []string{"MAILHAUL_CONFIG"},
			Usage: "read the accounts from `FILE`", TakesFile: true, DefaultText: "~/.config/mailhaul/config.yaml, then /etc/mailhaul/config.yaml"},
		&cli.StringFlag{Name: "state", EnvVars: []string{"MAILHAUL_STATE"},
			Usage: "keep the state in `DIR`", TakesFile: true, DefaultText: "state: of the configuration, then ~/.local/state/mailhaul"},
		&cli.BoolFlag{Name: "json", Usage: "print results as JSON, one object a line"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing unless something fails"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Count: new(int), Usage: "log each step; -vv also logs the dialogue with the server, without secrets"},
		&cli.BoolFlag{Name: "no-progress", Usage: "draw no progress bars"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "write the log as `FORMAT`: text or json"},
		&cli.BoolFlag{Name: "no-color", Usage: "print no colours, as with NO_COLOR"},
	}
}

// buildVersion is set by the Makefile.
var buildVersion string

func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unknown"
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		Description: "Print the version as JSON:\n  mailhaul version --json",
		Action: func(c *cli.Context) error {
			if c.Bool("json") {
				return jsonline.Write(c.App.Writer, jsonline.Version{Version: version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH})
			}
			fmt.Fprintf(c.App.Writer, "mailhaul %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
