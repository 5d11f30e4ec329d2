package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/doctor"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:        "check",
		Usage:       "check the configuration and report all mistakes at once",
		Description: "Check the configuration, then connect to the server and the targets of work:\n  mailhaul check --connect work",
		ArgsUsage:   "[ACCOUNT|LOGIN...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "connect", Usage: "also connect to each server and target, and explain the step that fails"},
			waitFlag(),
			&cli.BoolFlag{Name: "schema", Usage: "print the JSON Schema of the configuration, for editors"},
		},
		Action: runCheck,
	}
}

func runCheck(c *cli.Context) error {
	if c.Bool("schema") {
		return printSchema(c)
	}
	e, accounts, err := withLoginUsers(c)
	if err != nil {
		return err
	}
	if err := e.try(accounts, func(*fetch.Account) {}); err != nil {
		return err
	}
	if c.Bool("connect") {
		if err := e.askPasswords(c.Context); err != nil {
			return err
		}
		return checkConnections(e, c.Context, accounts, c.Duration("wait"))
	}
	for _, a := range accounts {
		if err := reportChecked(e, a); err != nil {
			return err
		}
	}
	return exit.Worst(e.from.troubles)
}

// checkConnections walks each account and ends with the worst exit code.
func checkConnections(e *call, ctx context.Context, accounts []*config.Account, wait time.Duration) error {
	errs := slices.Clone(e.from.troubles)
	for _, a := range accounts {
		err := doctor.Check(ctx, doctor.Options{Out: e.out, Builder: e.builder, Bare: e.conf == nil, Wait: wait}, a)
		errs = append(errs, err)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return exit.Worst(errs)
}

// reportChecked says that an account's configuration is fine.
func reportChecked(e *call, a *config.Account) error {
	var to []string
	for _, t := range a.Deliver {
		to = append(to, t.ID())
	}
	token, others := tokenStates(e, a)
	if e.out.JSON {
		return jsonline.Write(e.out.Out, jsonline.Checked{Account: a.Name, OK: true, User: a.User,
			Server: a.Server.Address(), TLS: a.Server.Security.String(), Deliver: to, Token: token, Logins: others})
	}
	if !e.out.Quiet {
		fmt.Fprintf(e.out.Out, "%s: ok: %s at %s, %s, to %s\n", a.Name, term.Printable(a.User), a.Server.Address(), a.Server.Security, term.Printable(strings.Join(to, ", ")))
	}
	for _, t := range append([]*jsonline.Token{token}, others...) {
		if t != nil && (!e.out.Quiet || t.NeedsLogin || t.Warning != "") {
			writeTokenState(e.out.Out, a.Name, t)
		}
	}
	return nil
}

// printSchema prints what docs/config.schema.json holds.
func printSchema(c *cli.Context) error {
	text, err := config.Schema(configOptions())
	if err != nil {
		return err
	}
	_, err = c.App.Writer.Write(append(text, '\n'))
	return err
}
