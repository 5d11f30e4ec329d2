package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

func stateMarkSeen(c *cli.Context) error {
	rule, err := markRule(c)
	if err != nil {
		return err
	}
	e, a, err := withAccount(c, c.Args().Slice()[:min(1, c.NArg())])
	if err != nil {
		return err
	}
	list, err := e.build([]*config.Account{a}, func(fa *fetch.Account) { fa.Wait = c.Duration("wait") })
	if err != nil {
		return err
	}
	if err := e.askPasswords(c.Context); err != nil {
		return err
	}
	marked, listed, err := e.fetcher().MarkSeen(c.Context, list[0], rule)
	switch {
	case exit.IsStopped(c.Context, err):
		return exit.Stopped(markedMail(marked, err))
	case err != nil:
		e.ended(a.Name, err, markedMail(marked, err))
		return exit.Printed(exit.Of(err))
	}
	return e.out.Row(jsonline.Marked{Account: a.Name, Marked: marked, Listed: listed},
		fmt.Sprintf("%s: %s marked as seen, %d on the server", a.Name, term.Plural(marked, "message"), listed))
}

// markedMail says what a mark-seen that failed, or was stopped, came to.
func markedMail(marked int, err error) string {
	var unsure *state.FileError
	switch {
	case marked > 0:
		return term.Plural(marked, "message") + " marked as seen all the same; " + nothingTouched
	case errors.As(err, &unsure) && unsure.Written:
		return nothingTouched
	}
	return "nothing was marked, and " + nothingTouched
}

// markRule reads which messages to mark; exactly one way must be given.
func markRule(c *cli.Context) (fetch.MarkRule, error) {
	r := fetch.MarkRule{All: c.Bool("all"), UIDs: c.Args().Tail(), Newest: c.Int("all-but-newest")}
	ways := 0
	for _, given := range []bool{r.All, len(r.UIDs) > 0, c.IsSet("before"), c.IsSet("all-but-newest")} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return r, exit.Usagef("say which: --all, --before DATE, --all-but-newest N, or UIDs")
	}
	if c.IsSet("all-but-newest") && r.Newest < 0 {
		return r, exit.Usagef("--all-but-newest wants a number from 0")
	}
	if before := c.String("before"); before != "" {
		t, err := time.ParseInLocation(time.DateOnly, before, time.Local)
		if err != nil {
			return r, exit.Usagef("--before wants a date such as 2026-01-31, not %q", before)
		}
		r.Before = t
	}
	return r, nil
}
