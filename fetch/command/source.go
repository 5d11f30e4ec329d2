package command

import (
	"errors"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/urfave/cli/v2"
)

// sourceFlags name an account on the command line instead of in a file.
func sourceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "fetch from `URL` without a configuration: pop3s://USER@HOST[:PORT], pop3:// (STLS), pop3+plain://"},
		&cli.StringSliceFlag{Name: "to", Usage: "deliver to `TARGET`: " + target.Rows().Forms()},
		&cli.StringFlag{Name: "password-command", Usage: "run `COMMAND`, whose first line of output is the password for --from"},
		&cli.StringFlag{Name: "to-password-command", Usage: "run `COMMAND`, whose first line of output is the password for --to imaps://"},
		&cli.StringFlag{Name: "ca-file", Usage: "trust the certificates in `FILE` instead of the system's, for --from", TakesFile: true},
		&cli.BoolFlag{Name: "insecure", Usage: "allow --from pop3+plain:// and --to imap+plain:// or http:// to another machine, without TLS"},
	}
}

// chosen are the accounts to fetch: by name, by URL, or by a saved plan.
func chosen(c *cli.Context) (*call, []*fetch.Account, error) {
	if c.IsSet("plan") {
		return planned(c)
	}
	e, accounts, err := source(c)
	if err != nil {
		return nil, nil, err
	}
	list, err := e.build(accounts, func(a *fetch.Account) {
		override(c, a)
		a.Moves = e.shard.Of > 0
	})
	return e, list, err
}

// source returns the accounts that the command line names, by URL or by name.
func source(c *cli.Context) (*call, []*config.Account, error) {
	if c.IsSet("from") || c.IsSet("to") {
		return fromURL(c)
	}
	for _, f := range []string{"password-command", "to-password-command", "ca-file", "insecure"} {
		if c.IsSet(f) {
			return nil, nil, exit.Usagef("--%s goes with --from", f)
		}
	}
	e, err := withConfig(c)
	if err != nil {
		return nil, nil, err
	}
	if e.shard, err = shardOf(c); err != nil {
		return nil, nil, err
	}
	accounts, err := e.accounts(c.Args().Slice())
	return e, accountsOf(e.shard, accounts), err
}

func fromURL(c *cli.Context) (*call, []*config.Account, error) {
	switch {
	case c.Args().Present():
		return nil, nil, exit.Usagef("--from and account names exclude each other")
	case !c.IsSet("from"):
		return nil, nil, exit.Usagef("--to goes with --from")
	case c.IsSet("shard"):
		return nil, nil, exit.Usagef("--from and --shard exclude each other")
	}
	e, err := newCall(c)
	if err != nil {
		return nil, nil, err
	}
	if err := e.findState(c); err != nil {
		return nil, nil, err
	}
	a, err := config.FromURL(c.String("from"), config.URLOptions{
		Insecure: c.Bool("insecure"),
		CAFile:   c.String("ca-file"),
		Password: urlPassword(c, "password-command", "MAILHAUL_PASSWORD"),
	})
	if err != nil {
		return nil, nil, fromError(err)
	}
	for _, to := range c.StringSlice("to") {
		t, err := target.Rows().Parse(to, config.URLOptions{Insecure: c.Bool("insecure"), Password: urlPassword(c, "to-password-command", "MAILHAUL_TO_PASSWORD")})
		if err != nil {
			return nil, nil, exit.Usagef("--to %s: %w", withoutSecrets(to), err)
		}
		a.Deliver = append(a.Deliver, t)
	}
	return e, []*config.Account{a}, nil
}

// withoutSecrets is a target for people: the login of a URL, and the query of http, may
// hold secrets.
func withoutSecrets(to string) string {
	scheme, rest, isURL := strings.Cut(to, "://")
	if !isURL {
		return to
	}
	if place, _, asks := strings.Cut(rest, "?"); asks && strings.HasPrefix(scheme, "http") {
		rest = place + "?****"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, secret := strings.Cut(rest[:at], ":"); secret {
			rest = user + ":****" + rest[at:]
		}
	}
	return scheme + "://" + rest
}

// fromError names the option that is wrong.
func fromError(err error) error {
	if errors.As(err, new(*config.CAFileError)) {
		return exit.Usagef("--ca-file: %w", err)
	}
	return exit.Usagef("--from: %w", err)
}

// urlPassword finds the password that goes with a URL; the zero Secret asks for it.
func urlPassword(c *cli.Context, option, variable string) config.Secret {
	if cmd := c.String(option); cmd != "" {
		return config.CommandSecret(strings.Fields(cmd))
	}
	if _, ok := os.LookupEnv(variable); ok {
		return config.EnvSecret(variable)
	}
	return config.Secret{}
}
