package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/setup"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:        "init",
		Usage:       "set up an account: find the server, test the connection, write the configuration",
		Description: "Set up an account, and answer the questions:\n  mailhaul init",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "address", Usage: "set up an account for the mail `ADDRESS`"},
			&cli.StringFlag{Name: "account", Usage: "call the account `NAME`"},
			&cli.StringFlag{Name: "server", Usage: "fetch from `HOST[:PORT]`, and look nothing up"},
			&cli.StringFlag{Name: "tls", Usage: "connect with TLS `MODE`: implicit, stls or none"},
			&cli.StringFlag{Name: "user", Usage: "log in as `NAME`, if it is not the name that was found"},
			&cli.StringFlag{Name: "ca-file", Usage: "trust the certificates in `FILE` instead of the system's, also for the look-up", TakesFile: true},
			&cli.StringSliceFlag{Name: "to", Usage: "deliver to `TARGET`, as fetch --to does; a path alone is a Maildir"},
			&cli.StringFlag{Name: "to-password-command", Usage: "run `COMMAND`, whose first line of output is the password for --to imaps://"},
			&cli.StringFlag{Name: "password-command", Usage: "run `COMMAND`, whose first line of output is the password"},
			&cli.StringFlag{Name: "password-file", Usage: "keep the password in `FILE`", TakesFile: true},
			&cli.BoolFlag{Name: "keyring", Usage: "keep the password in the system's keyring"},
			&cli.StringFlag{Name: "client-id", Usage: "log in with OAuth2 and the client `ID` that you registered with the provider"},
			&cli.StringFlag{Name: "client-secret-file", Usage: "read the secret of that client from `FILE`, if it has one", TakesFile: true},
			&cli.BoolFlag{Name: "device", Usage: "log in with OAuth2 and a code that you enter on another device"},
			&cli.BoolFlag{Name: "paste", Usage: "log in with OAuth2 in a browser on another machine, and paste the final address here"},
			&cli.BoolFlag{Name: "offline", Usage: "look nothing up on the network"},
			&cli.StringFlag{Name: "ispdb", Usage: "look up the server only at `URL`, a database in Thunderbird's format"},
			&cli.BoolFlag{Name: "no-connect", Usage: "do not test the connection and do not log in"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "ask nothing, and accept all proposals"},
		},
		Action: runInit,
	}
}

func runInit(c *cli.Context) error {
	if c.Args().Present() {
		return exit.Usagef("init takes no arguments; the address goes with --address")
	}
	e, err := newCall(c)
	if err != nil {
		return err
	}
	o, err := setupOptions(e, c)
	if err != nil {
		return err
	}
	if err := e.findState(c); err != nil {
		return err
	}
	written, err := setup.Run(c.Context, o, e.out, firstFetch{e})
	switch {
	case exit.Stop(err, "") != nil:
		return exit.Cancelled()
	case err != nil && !written:
		fmt.Fprintln(e.out.Err, "mailhaul: no configuration was written")
	}
	return err
}

func setupOptions(e *call, c *cli.Context) (*setup.Options, error) {
	o := &setup.Options{
		Address: c.String("address"), Account: c.String("account"), Server: c.String("server"), TLS: c.String("tls"), User: c.String("user"),
		CAFile: c.String("ca-file"), To: c.StringSlice("to"),
		ToPassword: os.Getenv("MAILHAUL_TO_PASSWORD"), ToPasswordCommand: c.String("to-password-command"),
		Password: os.Getenv("MAILHAUL_PASSWORD"), PasswordCommand: c.String("password-command"), PasswordFile: c.String("password-file"),
		ClientID: c.String("client-id"), ClientSecretFile: c.String("client-secret-file"), ISPDB: c.String("ispdb"),
		Keyring: c.Bool("keyring"), Offline: c.Bool("offline"), NoConnect: c.Bool("no-connect"), AskNothing: c.Bool("yes"),
		Path: cmp.Or(c.String("config"), config.DefaultPath()), Config: configOptions(), Relay: "127.0.0.1:25",
	}
	var err error
	if o.Way, err = loginOptions(c); err != nil {
		return nil, err
	}
	if c.IsSet("config") && os.Getenv("MAILHAUL_CONFIG") != o.Path {
		o.Named = " -c " + o.Path
	}
	o.Old, err = config.Load(o.Path, o.Config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Config(fmt.Errorf("%w\nput this right before an account is added", err))
	}
	e.conf = o.Old
	if o.CAFile == "" {
		return o, nil
	}
	if _, err := config.Roots(o.CAFile); err != nil {
		return nil, exit.Usagef("--ca-file: %w", err)
	}
	o.CAFile, err = filepath.Abs(o.CAFile)
	return o, err
}

// firstFetch implements setup.Runner.
type firstFetch struct{ e *call }

func (f firstFetch) Builder() *account.Builder { return f.e.builder }

func (f firstFetch) UI(in io.Reader, paste bool) oauth.UI {
	return &loginUI{in: in, out: f.e.out.Out, json: f.e.out.JSON, paste: paste}
}

// Preview shows what the first fetch would do.
func (f firstFetch) Preview(ctx context.Context, a *config.Account, say func(format string, args ...any)) error {
	const rows = 5
	list, err := f.e.build([]*config.Account{a}, func(*fetch.Account) {})
	if err != nil {
		return err
	}
	plan, _, err := f.e.fetcher().Plan(ctx, list[0])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		var temp interface{ Temporary() bool }
		if errors.As(err, &temp) && temp.Temporary() {
			say("The plan of the first fetch cannot be shown now: %s", term.Printable(err.Error()))
			return nil
		}
		return err
	case f.e.out.JSON || f.e.out.Quiet:
		return nil
	}
	say("\nThe first fetch would do this; nothing is deleted from the server (keep: all):")
	return writePlan(f.e.out.Out, a.Name, &plan, rows, f.e.out.Width())
}
