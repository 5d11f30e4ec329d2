package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "read delivered messages back, and compare them with what was fetched",
		Description: "Read all delivered messages of the account work back, and compare them:\n  mailhaul verify work",
		ArgsUsage:   "[ACCOUNT...]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "manifest", Usage: "check only the hash chain of the manifest in `FILE`", TakesFile: true},
			&cli.BoolFlag{Name: "accept-altered", Usage: "accept altered copies as they are now: they count as verified from then on"},
			&cli.BoolFlag{Name: "server", Usage: "retrieve messages that are still on the server again, and compare those"},
			waitFlag(),
		},
		Action: runVerify,
	}
}

func runVerify(c *cli.Context) error {
	if file := c.String("manifest"); file != "" {
		return checkManifest(c, file)
	}
	if c.Bool("server") && c.Bool("accept-altered") {
		return exit.Usagef("--server excludes --accept-altered")
	}
	e, accounts, err := withAccounts(c)
	if err != nil {
		return err
	}
	p, list, err := newProver(e, c, accounts)
	if err != nil {
		return err
	}
	check := verifyCopies
	if c.Bool("server") {
		check = verifyServer
		if err := e.askPasswords(c.Context); err != nil {
			return err
		}
	}
	p.AcceptAltered = c.Bool("accept-altered")
	var errs []error
	for _, a := range list {
		ok, err := check(e, c, p, a)
		switch {
		case exit.IsStopped(c.Context, err):
			return exit.Stopped(nothingDeleted)
		case err != nil:
			e.ended(a.Name, err, nothingDeleted)
			errs = append(errs, err)
		case !ok:
			errs = append(errs, exit.BadData(nil))
		}
	}
	return exit.Worst(errs)
}

// tellCheck prints a copy that is not intact.
func tellCheck(e *call, account string) func(proof.Check) {
	return func(c proof.Check) {
		row := jsonline.Finding{Account: account, UID: c.Key.UID(), Nth: c.Key.Nth(), Target: c.Target, Finding: c.Finding.String(), Where: c.Where}
		if c.Err != nil {
			row.Error = c.Err.Error()
		}
		if e.out.JSON {
			_ = jsonline.Write(e.out.Out, row)
			return
		}
		switch {
		case c.Finding == proof.TargetGone && !errors.Is(c.Err, fs.ErrNotExist): // the end says why
			return
		case c.Finding == proof.TargetGone:
			why := "is its volume mounted?"
			if path := (*fs.PathError)(nil); !errors.As(c.Err, &path) { // a mailbox of a server
				why = strings.TrimPrefix(row.Error, c.Target+": ")
			}
			fmt.Fprintf(e.out.Out, "%s: %s is gone: %s\n", term.Printable(account), term.Printable(c.Target), term.Printable(why))
			return
		}
		line := fmt.Sprintf("%s: %s: %s in %s", account, uidText(c.Key), c.Finding, c.Target)
		for _, more := range []string{c.Where, row.Error} {
			if more != "" {
				line += " " + more
			}
		}
		fmt.Fprintln(e.out.Out, term.Printable(line))
	}
}

func verifyCopies(e *call, c *cli.Context, p *proof.Prover, a *fetch.Account) (bool, error) {
	rep, err := p.Verify(c.Context, a, tellCheck(e, a.Name))
	if err != nil {
		return false, err
	}
	if e.out.JSON {
		return rep.OK(), cmp.Or(rep.Away, jsonline.Write(e.out.Out, jsonline.Verified{Account: a.Name, Messages: rep.Messages,
			Verified: rep.Verified, Missing: rep.Counts[proof.Missing], Altered: rep.Counts[proof.Altered],
			Unreadable: rep.Counts[proof.Unreadable], NoReadBack: rep.Counts[proof.NoReadBack], NotChecked: rep.Counts[proof.TargetGone],
			Accepted: rep.Counts[proof.Accepted]}))
	}
	if !e.out.Quiet || !rep.OK() {
		writeVerify(e.out.Out, a.Name, &rep)
	}
	damagedError(e, a.Name, &rep, nothingDeleted)
	return rep.OK(), rep.Away
}

// damagedError says what to do about copies that are not as they were delivered.
func damagedError(e *call, account string, rep *proof.VerifyReport, mail string) {
	if rep.OK() || e.out.JSON {
		return
	}
	if n := rep.Counts[proof.TargetGone]; n > 0 && rep.Away == nil {
		term.Failure(e.out.Err, account, fmt.Errorf("%s not checked, as the target is gone", term.Plural(n, "copy")),
			[]string{"mount its volume, or make its mailbox again, and verify again"}, mail)
	}
	missing, altered, unreadable := rep.Counts[proof.Missing], rep.Counts[proof.Altered], rep.Counts[proof.Unreadable]
	n := missing + altered + unreadable
	if n == 0 {
		return
	}
	what := "missing, altered or not readable"
	if n == unreadable {
		what = "not readable"
	}
	term.Failure(e.out.Err, account, fmt.Errorf("%s %s", term.Plural(n, "delivered copy"), what),
		advice.Damaged(account, missing > 0, altered > 0, unreadable > 0), mail)
}

// messages is a count of messages and their verb.
func messages(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}

func writeVerify(out io.Writer, account string, rep *proof.VerifyReport) {
	fmt.Fprintf(out, "%s: %s delivered, %d verified", term.Printable(account), term.Plural(rep.Messages, "message"), rep.Verified)
	if rep.Accepted > 0 {
		fmt.Fprintf(out, " (%d of them with an altered copy that was accepted)", rep.Accepted)
	}
	for f := proof.Missing; f < proof.Accepted; f++ {
		switch n := rep.Counts[f]; {
		case n == 0:
		case f == proof.NoReadBack:
			fmt.Fprintf(out, ", %s cannot be read back (relay, command, or no target any more)", term.Plural(n, "copy"))
		default:
			fmt.Fprintf(out, ", %d %s", n, f)
		}
	}
	fmt.Fprintln(out)
}

func verifyServer(e *call, c *cli.Context, p *proof.Prover, a *fetch.Account) (bool, error) {
	if a.Policy.Received {
		return false, advice.Give(exit.Setting(errors.New("messages here have a Received field that those on the server lack (headers: {received: true}): they cannot be compared")), advice.NoReceived)
	}
	rep, err := p.VerifyServer(c.Context, a, func(uid string, same bool) {
		if !same && !e.out.JSON {
			fmt.Fprintf(e.out.Out, "%s: %s: differs from what was delivered\n", term.Printable(a.Name), term.Printable(uid))
		}
	})
	if err != nil {
		return false, err
	}
	ok := rep.Differs+rep.Refused == 0
	if e.out.JSON {
		return ok, jsonline.Write(e.out.Out, jsonline.Compared{Account: a.Name, Listed: rep.Listed, Same: rep.Same,
			Differs: rep.Differs, Unknown: rep.Unknown, Refused: rep.Refused, Marked: rep.Marked})
	}
	fmt.Fprintf(e.out.Out, "%s: %d on the server: %d the same as delivered, %d differ, %d not delivered here, %d could not be retrieved\n",
		term.Printable(a.Name), rep.Listed, rep.Same, rep.Differs, rep.Unknown, rep.Refused)
	if rep.Marked > 0 {
		fmt.Fprintf(e.out.Out, "%s: %d of the same have fields that the server added or changed (Status, X-UIDL and the like): left out of the comparison\n", term.Printable(a.Name), rep.Marked)
	}
	if rep.Differs > 0 {
		term.Failure(e.out.Err, a.Name, fmt.Errorf("%s on the server not what was delivered", messages(rep.Differs)),
			[]string{"look at both before you delete anything"}, nothingDeleted)
	}
	return ok, nil
}
