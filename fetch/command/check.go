package command

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:         "check",
		Usage:        "check the configuration, all mistakes at once",
		ArgsUsage:    "[ACCOUNT...]",
		BashComplete: completeAccounts,
		Action:       runCheck,
	}
}

func runCheck(c *cli.Context) error {
	e, err := withConfig(c)
	if err != nil {
		return err
	}
	accounts, err := e.accounts(c.Args().Slice())
	if err != nil {
		return err
	}
	if _, err := e.build(accounts, func(*fetch.Account) {}); err != nil {
		return err
	}
	for _, a := range accounts {
		var to []string
		for _, t := range a.Deliver {
			to = append(to, printable(t.ID()))
		}
		if !e.quiet {
			fmt.Fprintf(e.std.Out, "%s: ok: %s at %s, %s, to %s\n", a.Name, printable(a.User), a.Server, a.TLS, strings.Join(to, ", "))
		}
	}
	return nil
}
