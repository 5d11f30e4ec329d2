package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// What a person is told when something went wrong: what happened and to which
// account, what to do (hint), and what it means for the mail (mail).

// defectHint is for exit code 70. Law 4 is what lets it promise.
const defectHint = "this should not happen, and nothing was deleted that is not delivered; please report it with the output of the same command with -vv"

// printError prints the error of a command as a whole. Server text in it was
// foreign once: nothing but printable characters goes out.
func printError(w io.Writer, err error) { printFailure(w, "", err, hints(nil, err), "") }

// failed prints the error of one account, and what it means for the mail.
func (e *env) failed(account string, err error, mail string) {
	printFailure(e.std.Err, account, err, hints(e.configOf(account), err), mail)
}

func printFailure(w io.Writer, account string, err error, hints []string, mail string) {
	prefix := "mailhaul: "
	if account != "" {
		prefix += term.Printable(account) + ": "
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i > 0 {
			prefix = "  "
		}
		fmt.Fprintln(w, prefix+term.Printable(line))
	}
	for _, hint := range hints {
		for i, line := range strings.Split(hint, "\n") {
			fmt.Fprintln(w, [2]string{"  hint: ", "        "}[min(i, 1)]+term.Printable(line))
		}
	}
	if mail != "" {
		fmt.Fprintln(w, "  mail: "+term.Printable(mail))
	}
}

// hints are what to do about an error, of several joined ones about each; a is
// nil if it is no account's.
func hints(a *config.Account, err error) (out []string) {
	if errors.Is(err, context.Canceled) {
		return nil // who stopped it knows
	}
	for _, one := range several(err) {
		hint := ""
		if a != nil {
			hint = asHint(explain(a, one))
		} else {
			hint = fetch.HintOf(one)
		}
		if hint == "" && exit.Of(one) == fetch.ExitSoftware {
			hint = defectHint
		}
		if hint != "" && !slices.Contains(out, hint) {
			out = append(out, hint)
		}
	}
	return out
}

// hint is the same in one string, for a log and for JSON.
func (e *env) hint(account string, err error) string {
	return strings.Join(hints(e.configOf(account), err), "\n")
}

// several are the errors that were joined, if they have no common advice.
func several(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if _, hinted := err.(interface{ Hint() string }); !ok || hinted {
		return []error{err}
	}
	return joined.Unwrap()
}

// asHint puts advice, which is in sentences, into the form of a hint.
func asHint(advice string) string {
	first, n := utf8.DecodeRuneInString(advice)
	second, _ := utf8.DecodeRuneInString(advice[n:])
	if unicode.IsUpper(first) && !unicode.IsUpper(second) { // POP3 stays
		advice = string(unicode.ToLower(first)) + advice[n:]
	}
	return strings.TrimSuffix(advice, ".")
}

// configOf is the configuration of an account that was built; nil if unknown.
func (e *env) configOf(account string) *config.Account {
	i := slices.IndexFunc(e.built, func(a *config.Account) bool { return a.Name == account })
	if i < 0 {
		return nil
	}
	return e.built[i]
}

// What an interruption, or a failure of a command that only looks, means.
const (
	nothingChanged = "nothing was changed, here or on the server"
	nothingDeleted = "nothing was deleted, here or on the server"
	nothingTouched = "no mail was fetched or deleted"
	fetchStopped   = "what was fetched is delivered and recorded, nothing else was deleted from the server"
)

// printStopped says that a signal was obeyed, and that all is in order.
func printStopped(w io.Writer, err error) {
	stop := exit.Stop(err, nothingTouched) // what else there is neither fetches nor deletes
	if stop == nil {
		printError(w, err)
		return
	}
	fmt.Fprintln(w, "mailhaul: "+stop.Error())
}
