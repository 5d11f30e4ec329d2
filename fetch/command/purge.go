package command

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func purgeCommand() *cli.Command {
	return &cli.Command{
		Name:        "purge",
		Usage:       "delete delivered and verified messages from the server, and prove that they are gone",
		Description: "Show what would be deleted of the messages that are older than 30 days:\n  mailhaul purge --older-than 30d --dry-run work",
		ArgsUsage:   "ACCOUNT",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "older-than", Usage: "delete only messages first seen more than `DURATION` ago, such as 30d"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask before messages are deleted; without a terminal nothing is asked"},
			&cli.BoolFlag{Name: "dry-run", Usage: "verify, and show what would be deleted, but delete nothing"},
			waitFlag(),
		},
		Action: runPurge,
	}
}

func runPurge(c *cli.Context) error {
	var older time.Duration
	if text := c.String("older-than"); text != "" {
		var err error
		if older, err = config.ParseDuration(text); err != nil {
			return exit.Usagef("--older-than: %w", err)
		}
	}
	e, p, a, err := oneForReading(c)
	if err != nil {
		return err
	}
	if err := e.askPasswords(c.Context); err != nil {
		return err
	}
	var asked bool
	if !c.Bool("yes") && e.out.Screen != nil {
		p.Confirm = e.confirmPurge(a.Name, &asked)
	}
	rep, err := p.Purge(c.Context, a, older, c.Bool("dry-run"), tellCheck(e, a.Name))
	writePurge(e, a.Name, &rep, c.Bool("dry-run"), asked, err)
	e.out.Notes(a.Name, rep.Notes)
	switch stop := exit.Stop(err, rep.Mail()); {
	case stop != nil:
		return stop
	case err != nil:
		mail := rep.Mail()
		if e.out.JSON {
			mail = "" // the object has it
		}
		e.failed(a.Name, err, mail)
		return exit.Printed(fetch.ExitOf(err))
	}
	if !rep.Verify.OK() {
		damagedError(e, a.Name, &rep.Verify, "what is not verified stays on the server")
		return exit.Printed(exit.Of(exit.BadData(nil)))
	}
	return nil
}

// confirmPurge asks a person at the terminal before anything is deleted, and tells
// asked that the figures are on it.
func (e *call) confirmPurge(account string, asked *bool) func(context.Context, *proof.PurgeReport) error {
	d := term.NewDialogue(term.Streams{In: e.out.In, Out: e.out.Err}, false)
	if d.Mute {
		return nil
	}
	return func(ctx context.Context, rep *proof.PurgeReport) error {
		*asked = true
		question := fmt.Sprintf("%s\nDelete %s from the server?", figures(account, rep), term.Plural(rep.Verified, "message"))
		if ok, err := d.Sure(ctx, question); err == nil && ok {
			return nil
		}
		return exit.CancelledBut(nothingDeleted)
	}
}

// figures is what a purge found, in a line.
func figures(account string, rep *proof.PurgeReport) string {
	return fmt.Sprintf("%s: %d on the server, %d delivered and old enough, %d of these verified", term.Printable(account), rep.Listed, rep.Eligible, rep.Verified)
}

// writePurge prints what a purge did; to a person only if there is something
// besides the error.
func writePurge(e *call, account string, rep *proof.PurgeReport, dry, asked bool, err error) {
	if e.out.JSON {
		row := jsonline.Purge{Account: account, Listed: rep.Listed, Eligible: rep.Eligible, Verified: rep.Verified,
			Deleted: rep.Deleted, Proven: rep.Proven, StillListed: rep.Left, Remaining: rep.Remaining, DryRun: dry, Unconfirmed: rep.Unconfirmed}
		if err != nil {
			row.Error, row.Mail = err.Error(), rep.Mail()
		}
		_ = jsonline.Write(e.out.Out, row)
		return
	}
	if e.out.Quiet || err != nil && rep.Deleted == 0 {
		return
	}
	if !asked {
		fmt.Fprintln(e.out.Out, figures(account, rep))
	}
	switch {
	case dry:
		fmt.Fprintf(e.out.Out, "%s: would delete %s\n", term.Printable(account), term.Plural(rep.Verified, "message"))
	case rep.Proven:
		fmt.Fprintf(e.out.Out, "%s: %d deleted and confirmed; listed again: %d of them still there, %s left on the server\n",
			term.Printable(account), rep.Deleted, rep.Left, term.Plural(rep.Remaining, "message"))
	case rep.Deleted > 0:
		fmt.Fprintf(e.out.Out, "%s: %d deleted and confirmed; not listed again, so that is not proven yet\n", term.Printable(account), rep.Deleted)
	default:
		fmt.Fprintf(e.out.Out, "%s: 0 deleted, as there is nothing to delete\n", term.Printable(account))
	}
}
