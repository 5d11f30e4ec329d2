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
		Name:        "report",
		Usage:       "report what was moved from an account, and whether it can be closed",
		Description: "Write the report of the account work also as a page:\n  mailhaul report --html work.html work",
		ArgsUsage:   "ACCOUNT",
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
	row("verified", verifiedText(r))
	for _, s := range standings {
		if n := r.Standings[s.of]; n > 0 {
			row(s.text, n)
		}
	}
	row("deleted from the server", deletedText(r))
	row("quarantined", r.Quarantined)
	row("incomplete", r.Incomplete)
	row("seen elsewhere", r.Elsewhere)
	if s := r.Server; s != nil {
		text := fmt.Sprintf("%s, %s: %d here and verified, %d not verified, %d never fetched, %d other",
			term.Plural(s.Listed, "message"), humanize.IBytes(uint64(s.Size)), s.Here, s.Unverified, s.New-s.Failing, s.Other)
		if s.Failing > 0 {
			text += fmt.Sprintf(", %d failed", s.Failing)
		}
		row("on the server now", text)
	}
	for i := range r.Flawed {
		f := &r.Flawed[i]
		if i == maxNamed {
			row("not intact", fmt.Sprintf("... and %d more", len(r.Flawed)-i))
			break
		}
		row(f.Finding().String(), fmt.Sprintf("%s in %s %s", uidText(f.Key), term.Printable(f.Target), term.Printable(f.Where)))
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
	for i, s := range advice.Remarks(r.Account, r.Notes) {
		if i == 0 {
			fmt.Fprintln(out, "\nTo know:")
		}
		fmt.Fprintln(out, "  - "+s)
	}
	if r.Safe() {
		fmt.Fprintln(out, "\nSafe to close this account: yes, every message on the server is here, read back and "+intactText(r)+".")
		return
	}
	fmt.Fprintln(out, "\nSafe to close this account: no, because")
	for _, s := range advice.Remarks(r.Account, r.Reasons) {
		fmt.Fprintln(out, "  - "+s)
	}
}

// standings name what is known of delivered messages, besides verified; the sum of all is delivered.
var standings = []struct {
	of   proof.Standing
	text string
}{
	{proof.IsMissing, "missing"},
	{proof.IsAltered, "altered"},
	{proof.IsUnreadable, "not readable"},
	{proof.IsReplaced, "skipped, differ"},
	{proof.NotProvable, "cannot be read back"},
	{proof.NotVerified, "not verified"},
}

// verifiedText is how many messages were read back, and how many of them are altered.
func verifiedText(r *proof.Report) string {
	if n := r.Standings[proof.IsAccepted]; n > 0 {
		return fmt.Sprintf("%d, of which %d altered and accepted", r.Verified, n)
	}
	return strconv.Itoa(r.Verified)
}

// intactText says how the messages are, which are all verified.
func intactText(r *proof.Report) string {
	if n := r.Standings[proof.IsAccepted]; n > 0 {
		return fmt.Sprintf("intact, except for %d altered and accepted by a person", n)
	}
	return "intact"
}

// deletedText is how many deletions the server confirmed, and what it lists of
// these all the same.
func deletedText(r *proof.Report) string {
	switch {
	case r.Unconfirmed > 0:
		return fmt.Sprintf("%d, and %d asked for and not confirmed", r.Deleted, r.Unconfirmed)
	case r.Server == nil || r.Server.StillListed == 0:
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
	flawed := make([]jsonline.Finding, len(r.Flawed))
	for i := range r.Flawed {
		f := &r.Flawed[i]
		flawed[i] = jsonline.Finding{Account: r.Account, UID: f.Key.UID(), Nth: f.Key.Nth(), Target: f.Target, Finding: f.Finding().String(), Where: f.Where}
	}
	return jsonline.Report{Account: r.Account, ID: r.ID, At: r.At, Known: r.Known, Delivered: r.Delivered, Verified: r.Verified,
		Quarantined: r.Quarantined, Incomplete: r.Incomplete, Elsewhere: r.Elsewhere, Deleted: r.Deleted, Bytes: r.Bytes, Months: r.Months, Sizes: r.Sizes,
		Accepted: r.Standings[proof.IsAccepted], Missing: r.Standings[proof.IsMissing], Altered: r.Standings[proof.IsAltered],
		Unreadable: r.Standings[proof.IsUnreadable], Replaced: r.Standings[proof.IsReplaced], NoReadBack: r.Standings[proof.NotProvable],
		Unverified: r.Standings[proof.NotVerified], Unconfirmed: r.Unconfirmed, NotIntact: flawed,
		Failed: len(r.Failures), Server: r.Server, Safe: r.Safe(), Reasons: advice.Remarks(r.Account, r.Reasons), Notes: advice.Remarks(r.Account, r.Notes), NotMoved: notMoved}
}
