package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/command/watch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show the last run of each account, its errors, and the run in progress",
		Description: "Show all accounts, again every two seconds:\n  mailhaul status --watch",
		ArgsUsage:   "[ACCOUNT|LOGIN...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "watch", Usage: "show it again every two seconds"},
			&cli.BoolFlag{Name: "failed", Usage: "show only the accounts whose last run failed"},
			&cli.BoolFlag{Name: "check", Usage: "exit with 75 if an account has had no success for its alert.after, for health checks"},
			shardFlag(),
		},
		Action: runStatus,
	}
}

func runStatus(c *cli.Context) error {
	e, accounts, err := withLoginUsers(c)
	if err != nil {
		return err
	}
	part, err := shardOf(c)
	if err != nil {
		return err
	}
	accounts = accountsOf(part, accounts)
	if c.Bool("failed") && (c.Bool("watch") || c.Bool("check")) {
		return exit.Usagef("--failed excludes --watch and --check")
	}
	if c.Bool("watch") {
		return watchStatus(e, c.Context, accounts)
	}
	list := statusesOf(e, accounts, true)
	if c.Bool("failed") {
		list = slices.DeleteFunc(list, func(s jsonline.Status) bool { return s.LastRun == nil || s.LastRun.OK() })
		if len(list) == 0 && !e.out.JSON && !e.out.Quiet {
			text := "no account's last run failed"
			if c.Args().Present() {
				text = "none of the named accounts failed in its last run"
			}
			_, err := fmt.Fprintln(e.out.Out, text)
			return err
		}
	}
	if !c.Bool("check") {
		if err := writeStatuses(e, e.out.Out, list); err != nil || c.Args().Present() || c.Bool("failed") {
			return err
		}
		return writeSources(e, e.out.Out)
	}
	list = slices.DeleteFunc(list, func(s jsonline.Status) bool { return !s.Overdue })
	if len(list) == 0 {
		return nil
	}
	if err := writeStatuses(e, e.out.Out, list); err != nil {
		return err
	}
	return exit.Printed(exit.Of(exit.TryLater(nil)))
}

// statusesOf gathers what is known of accounts, those first that need a person.
func statusesOf(e *call, accounts []*config.Account, all bool) []jsonline.Status {
	list := make([]jsonline.Status, len(accounts))
	for i, a := range accounts {
		list[i] = statusOf(e, a, all)
	}
	slices.SortStableFunc(list, func(a, b jsonline.Status) int { return b2i(b.Overdue) - b2i(a.Overdue) })
	return list
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func writeStatuses(e *call, out io.Writer, list []jsonline.Status) error {
	if e.out.JSON {
		for i := range list {
			if err := jsonline.Write(out, list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	table, details := statusText(e, list)
	if err := table.Write(out, e.out.Width()); err != nil {
		return err
	}
	_, err := io.WriteString(out, details)
	return err
}

// statusText is the status of accounts for a person: a table, and lines of what does
// not fit into it.
func statusText(e *call, list []jsonline.Status) (table *term.Table, details string) {
	table = &term.Table{Head: []string{"ACCOUNT", "LAST RUN", "RESULT", "NEW", "KNOWN", "LAST SUCCESS", "NOW"}, Long: "ACCOUNT"}
	when := func(t time.Time) string { return term.When(t, time.Now()) }
	if e.out.Verbose > 0 {
		when = term.Stamp
	}
	var b strings.Builder
	for i := range list {
		table.Add(statusRow(&list[i], when)...)
		writeDetails(&b, &list[i])
	}
	return table, b.String() + loginStates(list)
}

// statusOf gathers what is known of an account without waiting for a run that
// holds its state; without all, from the status file alone.
func statusOf(e *call, a *config.Account, all bool) jsonline.Status {
	s := jsonline.Status{Known: -1}
	s.StatusFile, _ = state.ReadStatus(state.StatusPath(e.builder.StateDir, a.ID))
	s.Account, s.ID = a.Name, a.ID
	s.Running = s.StatusFile.Running()
	s.Token, s.Logins = tokenStates(e, a)
	if !s.Running {
		s.State = state.StateIdle
	}
	s.NoSuccessSince = watch.FailingSince(&s.StatusFile, time.Now())
	s.Overdue = watch.Overdue(&s.StatusFile, a.Alert.After, time.Now())
	file := state.Path(e.builder.StateDir, a.ID)
	if !s.Updated.IsZero() {
		s.Known = s.StatusFile.Known
	} else if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		s.Known = 0
	}
	if !all {
		return s
	}
	db, err := state.Open(file, state.Options{ReadOnly: true})
	if err != nil {
		return s
	}
	defer db.Close()
	_ = db.View(func(v *state.View) error {
		s.Known = v.Len()
		s.Failing = len(v.Failures())
		f := v.Facts()
		s.ClockJumped, s.ClockFrom = f.ClockJumped, f.ClockFrom
		if list, err := v.Intents(); err == nil {
			s.Interrupted = len(list)
		}
		s.Waiting = waitingOf(v.Failures())
		if runs := v.Runs(); len(runs) > 0 {
			s.LastRun = &runs[len(runs)-1]
		}
		return nil
	})
	s.Quarantined = countMaildir(e.builder.Quarantine(a.ID))
	return s
}

// statusRow is what fits into 80 columns; when writes a time.
func statusRow(s *jsonline.Status, when func(time.Time) string) []string {
	last, result, fetched := "never", "-", "-"
	if r := s.LastRun; r != nil {
		last, result, fetched = when(r.Started), exit.Word(fetch.Exit(r.Exit)), fmt.Sprint(r.Fetched)
		if r.Exit == 0 && !r.OK() {
			result = exit.Word(-1)
		}
	}
	known := "?"
	if s.Known >= 0 {
		known = fmt.Sprint(s.Known)
	}
	return []string{term.Printable(s.Account), last, result, fetched, known, when(s.LastSuccess), now(s, when)}
}

// writeDetails prints what does not fit into the table.
func writeDetails(w io.Writer, s *jsonline.Status) {
	if s.Overdue {
		fmt.Fprintf(w, "%s: NO SUCCESS since %s\n", term.Printable(s.Account), term.Stamp(s.NoSuccessSince))
	}
	if s.Running && s.Total > 0 {
		fmt.Fprintf(w, "%s: %s %d of %d, %s of %s, for %s (pid %d)\n", term.Printable(s.Account), s.Stage, s.Fetched, s.Total,
			humanize.IBytes(uint64(s.Bytes)), humanize.IBytes(uint64(s.BytesTotal)), time.Since(s.Started).Round(time.Second), s.PID)
	} else if s.Running {
		fmt.Fprintf(w, "%s: %s (pid %d)\n", term.Printable(s.Account), s.Stage, s.PID)
	}
	if s.Interrupted > 0 {
		fmt.Fprintf(w, "%s: the last run left %s for the next one to complete\n", term.Printable(s.Account), term.Plural(s.Interrupted, "delivery"))
	}
	if s.Quarantined > 0 {
		fmt.Fprintf(w, "%s: %s in the quarantine\n", term.Printable(s.Account), term.Plural(s.Quarantined, "message"))
	}
	if s.LastRun != nil && s.LastRun.Error != "" {
		fmt.Fprintf(w, "%s: last run: %s\n", term.Printable(s.Account), term.Printable(s.LastRun.Error))
	}
	if s.Waiting != nil {
		fmt.Fprintf(w, "%s: %s\n", term.Printable(s.Account), waitingText(s.Waiting))
	}
	if !s.ClockJumped.IsZero() {
		fmt.Fprintf(w, "%s: the clock jumped from %s to %s between two runs; days are counted from then\n",
			term.Printable(s.Account), term.Stamp(s.ClockFrom), term.Stamp(s.ClockJumped))
	}
}

// loginStates are the lines about the logins of accounts: one of several accounts has
// one line, except where a person has to log in.
func loginStates(list []jsonline.Status) string {
	var all strings.Builder
	seen := make(map[string]bool)
	for i := range list {
		for _, t := range append([]*jsonline.Token{list[i].Token}, list[i].Logins...) {
			var b strings.Builder
			if t != nil {
				writeTokenState(&b, list[i].Account, t)
			}
			if line := b.String(); !seen[line] {
				seen[line] = true
				all.WriteString(line)
			}
		}
	}
	return all.String()
}

// now is what a run under way is doing, or when the next one begins.
func now(s *jsonline.Status, when func(time.Time) string) string {
	switch {
	case s.Running:
		return cmp.Or(s.Stage, "running")
	case s.NextRun.After(time.Now()) && !s.Updated.After(time.Now().Add(time.Hour)):
		return "next " + when(s.NextRun)
	}
	return "idle"
}
