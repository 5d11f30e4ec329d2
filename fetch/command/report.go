package command

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:         "report",
		Usage:        "report what was moved from an account, and whether it can be closed",
		Description:  "Write the report of the account work also as a page:\n  mailhaul report --html work.html work",
		ArgsUsage:    "ACCOUNT",
		BashComplete: completeAccounts,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "html", Usage: "also write the report to `FILE` as one self-contained page", TakesFile: true},
			&cli.BoolFlag{Name: "offline", Usage: "do not ask the server what it holds; the answer is then no"},
			waitFlag(),
		},
		Action: runReport,
	}
}

func runReport(c *cli.Context) error {
	e, p, a, err := oneForReading(c)
	if err != nil {
		return err
	}
	if !c.Bool("offline") {
		if err := e.askPasswords(c.Context); err != nil {
			return err
		}
	}
	rep, err := p.Report(c.Context, a, !c.Bool("offline"))
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if path := c.String("html"); path != "" {
		if err := writeHTMLFile(path, rep, targetsOf(a)); err != nil {
			return err
		}
	}
	if e.out.JSON {
		return jsonline.Write(e.out.Out, reportJSONOf(rep))
	}
	writeReport(e.out.Out, rep)
	return nil
}

// targetsOf names what an account delivers to, with paths.
func targetsOf(a *fetch.Account) (names []string) {
	for i := range a.Targets {
		names = append(names, term.Printable(a.Targets[i].ID))
	}
	return names
}

// notMoved is what POP3 cannot carry: a report must say so.
var notMoved = []string{
	"folders: POP3 shows the inbox alone",
	"flags: read, answered and starred are not known to POP3",
	"sent mail, drafts, and what rules moved out of the inbox",
	"contacts, calendars, filters and settings",
}

func writeReport(out io.Writer, r *proof.Report) {
	w := term.Columns(out)
	row := func(k string, v any) { fmt.Fprintf(w, "%s\t%v\n", k, v) }
	row("account", term.Printable(r.Account)+" ("+term.Printable(r.ID)+")")
	row("report of", r.At.Local().Format(time.DateTime))
	row("delivered here", fmt.Sprintf("%s, %s", term.Plural(r.Delivered, "message"), humanize.IBytes(uint64(r.Bytes))))
	if !r.First.IsZero() {
		row("dated", r.First.Format(time.DateOnly)+" to "+r.Last.Format(time.DateOnly))
	}
	row("verified", r.Verified)
	row("deleted from the server", deletedText(r))
	row("quarantined", r.Quarantined)
	row("incomplete", r.Incomplete)
	row("seen elsewhere", r.Elsewhere)
	if s := r.Server; s != nil {
		row("on the server now", fmt.Sprintf("%s, %s: %d here and verified, %d not verified, %d never fetched, %d other",
			term.Plural(s.Listed, "message"), humanize.IBytes(uint64(s.Size)), s.Here, s.Unverified, s.New, s.Other))
	}
	for i, f := range r.Failures {
		if i == maxNamed {
			row("failed", fmt.Sprintf("... and %d more", len(r.Failures)-i))
			break
		}
		row("failed", fmt.Sprintf("%s: %s, %s", uidText(f.Key), term.Plural(f.Count, "time"), term.Printable(f.Err)))
	}
	for i := range r.InQuarantine {
		if i == maxNamed {
			row("quarantined", fmt.Sprintf("... and %d more", len(r.InQuarantine)-i))
			break
		}
		row("quarantined", fmt.Sprintf("%s %s", uidText(r.InQuarantine[i].Key), term.Printable(asideWhere(&r.InQuarantine[i]))))
	}
	_ = w.Flush()
	fmt.Fprintln(out, "\nWhat POP3 cannot carry:")
	for _, s := range notMoved {
		fmt.Fprintln(out, "  - "+s)
	}
	for i, s := range advice.Remarks(r.Notes) {
		if i == 0 {
			fmt.Fprintln(out, "\nTo know:")
		}
		fmt.Fprintln(out, "  - "+s)
	}
	if r.Safe() {
		fmt.Fprintln(out, "\nSafe to close this account: yes, every message on the server is here, read back and intact.")
		return
	}
	fmt.Fprintln(out, "\nSafe to close this account: no, because")
	for _, s := range advice.Remarks(r.Reasons) {
		fmt.Fprintln(out, "  - "+s)
	}
}

// deletedText is how many deletions the server confirmed, and what it lists of
// these all the same.
func deletedText(r *proof.Report) string {
	if r.Server == nil || r.Server.StillListed == 0 {
		return strconv.Itoa(r.Deleted)
	}
	return fmt.Sprintf("%d, of which %d still listed", r.Deleted, r.Server.StillListed)
}

// maxNamed is how many failed and quarantined messages a report names each; the
// manifest has them all.
const maxNamed = 100

func asideWhere(in *proof.Inspected) string {
	for _, c := range in.Copies {
		if c.Status == state.Quarantined && c.Where != "" {
			return c.Where
		}
	}
	return ""
}

func reportJSONOf(r *proof.Report) jsonline.Report {
	return jsonline.Report{Account: r.Account, ID: r.ID, At: r.At, Known: r.Known, Delivered: r.Delivered, Verified: r.Verified,
		Quarantined: r.Quarantined, Incomplete: r.Incomplete, Elsewhere: r.Elsewhere, Deleted: r.Deleted, Bytes: r.Bytes, Months: r.Months, Sizes: r.Sizes,
		Failed: len(r.Failures), Server: r.Server, Safe: r.Safe(), Reasons: advice.Remarks(r.Reasons), Notes: advice.Remarks(r.Notes), NotMoved: notMoved}
}
