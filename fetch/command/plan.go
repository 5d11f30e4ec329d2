package command

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/plan"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:        "plan",
		Usage:       "show what fetch would do and why, and change nothing",
		Description: "Show what would be fetched and deleted for the account work:\n  mailhaul plan work",
		ArgsUsage:   "[ACCOUNT...]",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "keep", Usage: "plan for fetch --keep"},
			&cli.BoolFlag{Name: "delete", Usage: "plan for fetch --delete"},
			&cli.IntFlag{Name: "limit", Usage: "plan for fetch --limit `N`", DefaultText: "all"},
			&cli.BoolFlag{Name: "all", Usage: "plan for fetch --all"},
			trustImportedFlag(),
			waitFlag(),
			&cli.StringFlag{Name: "save", Usage: "also write the plan to `FILE`, for fetch --plan", TakesFile: true},
		}, sourceFlags()...),
		Action: runPlan,
	}
}

func runPlan(c *cli.Context) error {
	if err := checkOverride(c); err != nil {
		return err
	}
	e, accounts, err := source(c)
	if err != nil {
		return err
	}
	list, err := e.build(accounts, func(a *fetch.Account) { override(c, a) })
	if err != nil {
		return err
	}
	if err := e.askPasswords(c.Context); err != nil {
		return err
	}
	errs := slices.Clone(e.from.troubles)
	var saved []plan.SavedPlan
	f := e.fetcher()
	for _, a := range list {
		todo, notes, err := f.Plan(c.Context, a)
		if exit.IsStopped(c.Context, err) {
			return exit.Stopped(nothingChanged)
		}
		errs = append(errs, err)
		e.out.Notes(a.Name, notes)
		saved = append(saved, todo.Saved(a.Name, a.ID, savedOptions(c)))
		switch {
		case err != nil:
			e.ended(a.Name, err, nothingChanged)
		case e.out.JSON:
			errs = append(errs, writePlanJSON(e.out.Out, a.Name, &todo))
		default:
			errs = append(errs, writePlan(e.out.Out, a.Name, &todo, planRows(e), e.out.Width()))
		}
	}
	if err := exit.Worst(errs); err != nil {
		return err // no plan is saved that does not show everything
	}
	if file := c.String("save"); file != "" {
		return savePlans(file, saved)
	}
	return nil
}

// planRows is how many messages of an account a person is shown.
func planRows(e *call) int {
	if e.out.Verbose > 0 {
		return math.MaxInt
	}
	return 30
}

// writePlan prints the plan as a table: the first messages to act on, then a
// sum. Width is that of the terminal, 0 if there is none.
func writePlan(out io.Writer, account string, p *plan.Plan, rows, width int) error {
	fmt.Fprintf(out, "%s: %s on the server (%s as listed), %d seen\n", term.Printable(account),
		term.Plural(p.Listed, "message"), humanize.IBytes(uint64(p.Size)), p.Known)
	t := term.Table{Indent: "  ", Head: []string{"ACTION", "NUM", "SIZE", "UID", "WHY"}, Long: "UID"}
	more := addPlan(&t, p, rows)
	if err := t.Write(out, width); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(out, "  ... and %d more (-v shows all)\n", more)
	}
	if n := interrupted(p); n > 0 {
		fmt.Fprintf(out, "  an earlier run had retrieved %d of what is to fetch: fetch completes their delivery first\n", n)
	}
	_, err := fmt.Fprintf(out, "  fetch %d (%s), delete %d, skip %d\n", len(p.Retrieve), humanize.IBytes(uint64(p.Bytes)),
		len(p.Delete)+deletions(p), len(p.Skip))
	return err
}

// addPlan adds the first rows of a plan, and returns how many are left out.
func addPlan(t *term.Table, p *plan.Plan, rows int) int {
	shown := 0
	row := func(do, why string, it *plan.Item) {
		if shown++; shown <= rows {
			t.Add(do, strconv.Itoa(it.Num), term.Size(it.Size), term.Printable(it.UID), why)
		}
	}
	for i := range p.Retrieve {
		do := "fetch"
		if p.Retrieve[i].Delete {
			do = "fetch, delete"
		}
		row(do, whyRetrieve(&p.Retrieve[i], p.Keep), &p.Retrieve[i])
	}
	for i := range p.Delete {
		row("delete", whyDelete(&p.Delete[i], p.Keep), &p.Delete[i])
	}
	over := 0
	for i := range p.Skip {
		if p.Skip[i].Why == plan.OverLimit {
			over++ // the sum says it
			continue
		}
		row("skip", whySkip(&p.Skip[i]), &p.Skip[i])
	}
	if over > 0 {
		t.Add("skip", "", "", "", fmt.Sprintf("%d over limit: a later run takes them", over))
	}
	return max(0, shown-rows)
}

// deletions counts what is deleted after it was fetched.
func deletions(p *plan.Plan) (n int) {
	for i := range p.Retrieve {
		if p.Retrieve[i].Delete {
			n++
		}
	}
	return n
}

// interrupted counts what an interrupted run had retrieved.
func interrupted(p *plan.Plan) (n int) {
	for i := range p.Retrieve {
		n += b2i(p.Retrieve[i].Interrupted)
	}
	return n
}

func whyRetrieve(it *plan.Item, k plan.Keep) string {
	why := "new"
	switch {
	case it.Interrupted:
		why = "its delivery is unfinished"
	case len(it.RefusedBy) > 0:
		why = "refused before: goes to the quarantine"
	case len(it.Have) > 0:
		why = "missing in a target"
	}
	if rule := whyRule(it.Rule, k); rule != "" {
		why += "; " + rule
	}
	return why
}

// whyDelete says which rule orders a deletion.
func whyDelete(it *plan.Item, k plan.Keep) string {
	if rule := whyRule(it.Rule, k); rule != "" {
		return "delivered before; " + rule
	}
	return "delivered before"
}

// whyRule is the rule of a composite keep; keep: none needs no reason.
func whyRule(r plan.Rule, k plan.Keep) string {
	switch r {
	case plan.RuleDays:
		return "older than " + term.Plural(k.Days, "day")
	case plan.RuleNewest:
		return fmt.Sprintf("not among the newest %d", k.Newest)
	case plan.RuleBelow:
		return "over " + humanize.IBytes(uint64(k.Below))
	}
	return ""
}

func whySkip(it *plan.Item) string {
	if !it.Until.IsZero() {
		return it.Why.String() + " until " + it.Until.Local().Format(time.DateTime)
	}
	return it.Why.String()
}

func writePlanJSON(out io.Writer, account string, p *plan.Plan) error {
	row := func(action, why string, it *plan.Item) error {
		r := jsonline.Plan{Account: account, Action: action, Num: it.Num, UID: it.UID, Size: it.Size, Why: why, Delete: it.Delete || action == "delete"}
		if !it.Until.IsZero() {
			r.Until = &it.Until
		}
		return jsonline.Write(out, r)
	}
	for i := range p.Retrieve {
		if err := row("fetch", whyRetrieve(&p.Retrieve[i], p.Keep), &p.Retrieve[i]); err != nil {
			return err
		}
	}
	for i := range p.Delete {
		if err := row("delete", whyDelete(&p.Delete[i], p.Keep), &p.Delete[i]); err != nil {
			return err
		}
	}
	for i := range p.Skip {
		if err := row("skip", p.Skip[i].Why.String(), &p.Skip[i]); err != nil {
			return err
		}
	}
	fetches, deletes, skips := len(p.Retrieve), len(p.Delete)+deletions(p), len(p.Skip)
	return jsonline.Write(out, jsonline.Plan{Account: account, Action: "sum", Size: p.Size, Listed: &p.Listed, Known: &p.Known,
		Fetch: &fetches, Deletes: &deletes, Skip: &skips, Bytes: &p.Bytes, Interrupted: interrupted(p)})
}
