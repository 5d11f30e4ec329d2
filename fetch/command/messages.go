package command

import (
	"fmt"
	"io"
	"slices"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// What is printed when something went wrong: what happened and to which
// account, what to do (hint), and what it means for the mail (mail).

// printError prints the error of a command as a whole. Server text in it was
// foreign once: nothing but printable characters goes out.
func printError(w io.Writer, err error) {
	term.Failure(w, "", err, advice.Of(err, advice.Situation{}), "")
}

// printFatal prints the error that ended a command as JSON, if the command line
// wants that: it may be wrong otherwise, so that its words are looked at. Stopped is
// said in place of err, if it is not nil.
func printFatal(w io.Writer, args []string, stopped, err error, code fetch.Exit) {
	if !slices.ContainsFunc(args, func(arg string) bool { return arg == "--json" || arg == "-json" || arg == "--json=true" }) {
		return
	}
	hint := advice.Text(err, advice.Situation{})
	if stopped != nil {
		err, hint = stopped, ""
	}
	_ = jsonline.Write(w, jsonline.Error{Error: err.Error(), Hint: hint, Exit: int(code)})
}

// ended prints the error that ended the work on one account: as JSON, too, if no
// object of the command has it.
func (e *call) ended(account string, err error, mail string) {
	e.failed(account, err, mail)
	if e.out.JSON {
		_ = jsonline.Write(e.out.Out, jsonline.Error{Account: account, Error: err.Error(), Hint: e.hint(account, err), Mail: mail, Exit: int(exit.Of(err))})
	}
}

// failed prints the error of one account, and what it means for the mail.
func (e *call) failed(account string, err error, mail string) {
	term.Failure(e.out.Err, account, err, advice.Of(err, advice.SituationOf(e.configOf(account), e.conf == nil)), mail)
}

// hint is what to do about an account's error, for a log and for JSON.
func (e *call) hint(account string, err error) string {
	return advice.Text(err, advice.SituationOf(e.configOf(account), e.conf == nil))
}

// configOf is the configuration of an account that was built; nil if unknown.
func (e *call) configOf(account string) *config.Account {
	i := slices.IndexFunc(e.chosen, func(a *config.Account) bool { return a.Name == account })
	if i < 0 {
		return nil
	}
	return e.chosen[i]
}

// What an interruption, or a failure of a command that only looks, means.
const (
	nothingChanged = "nothing was changed, here or on the server"
	nothingDeleted = "nothing was deleted, here or on the server"
	nothingTouched = "no mail was fetched or deleted"
	loopStopped    = "what was delivered is recorded, nothing else was deleted from the server"
)

// fetchStopped is what the interruption of runs means.
func fetchStopped(sums []fetch.Summary) string {
	if slices.ContainsFunc(sums, func(s fetch.Summary) bool { return s.Deleted+s.Unconfirmed > 0 }) {
		return loopStopped
	}
	return "what was delivered is recorded, nothing was deleted from the server"
}

// printStopped says that a signal was obeyed, and that all is in order.
func printStopped(w io.Writer, err error) {
	stop := exit.Stop(err, nothingTouched) // what else there is neither fetches nor deletes
	if stop == nil {
		printError(w, err)
		return
	}
	fmt.Fprintln(w, "mailhaul: "+stop.Error())
}
