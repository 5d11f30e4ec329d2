// Package advice says what a person can do about an error. All such sentences are
// here: the packages below report what happened as types with facts, and know no
// keys, options or commands. One table, its first row that fits wins.
package advice

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sources"
)

// Situation is what advice depends on besides the error.
type Situation struct {
	// Account is the name that commands take; empty if the error is no account's.
	Account string
	// Bare: the account comes from --from, without a configuration file.
	Bare bool
	// Host is the mail server's, Implicit whether TLS begins with the connection
	// there, and OAuth whether the login is one with tokens.
	Host            string
	Implicit, OAuth bool
	// Login is what the login with tokens is called; empty: as the account.
	Login string
	// Tunnel: a command is the connection to it.
	Tunnel bool
	// Running: a loop goes on with the configuration that it has.
	Running bool

	target bool // keys are those of a target, which has no options
}

// SituationOf is that of an account; a may be nil.
func SituationOf(a *config.Account, bare bool) Situation {
	if a == nil {
		return Situation{}
	}
	at := Situation{Account: a.Name, Bare: bare, Host: a.Server.Host, Implicit: a.Server.Security == pop3.ImplicitTLS,
		Tunnel: len(a.Route.Tunnel) > 0}
	if a.OAuth != nil {
		at.OAuth, at.Login = true, a.OAuth.Login
	}
	return at
}

// option is a setting as this person makes it: by a key or by an option.
func (at Situation) option(key, flag string) string {
	switch {
	case at.target:
		return at.key(key)
	case at.Account == "":
		return key + ", or " + flag
	case at.Bare:
		return flag
	}
	return key
}

// key is a setting that only a configuration file has.
func (at Situation) key(key string) string {
	if at.target {
		key += " of the target"
	}
	if at.Account == "" || at.Bare {
		return key + " in a configuration file"
	}
	return key
}

// account is the name for a command line.
func (at Situation) account() string {
	if at.Account == "" || at.Bare {
		return "ACCOUNT"
	}
	return at.Account
}

// loginAdvice is what the commands for a login take.
func (at Situation) login() string { return cmp.Or(at.Login, at.account()) }

// needsFile reports what commands that do not take --from lack after it.
func (at Situation) needsFile() string {
	if at.Bare {
		return " These commands want the account in a configuration file (`mailhaul init`): its state is the same."
	}
	return ""
}

// row is one kind of error. It returns whole sentences, or nothing if it does not
// fit.
type row func(err error, at Situation) string

// of is a row for errors of type E.
func of[E error](say func(e E, at Situation) string) row {
	return func(err error, at Situation) string {
		if e, ok := errors.AsType[E](err); ok {
			return say(e, at)
		}
		return ""
	}
}

// is is a row for errors of type E, whatever their facts.
func is[E error](text string) row { return of(func(E, Situation) string { return text }) }

// when is a row whose text does not depend on the facts.
func when(fits func(err error) bool, text string) row {
	return func(err error, _ Situation) string {
		if fits(err) {
			return text
		}
		return ""
	}
}

// table is every row, the most telling first.
func table() []row {
	return slices.Concat(commandRows(), shardRows(), runRows(), mailboxRows(), gmailRows(), jmapRows(), httpRows(), tokenRows(), targetRows(), loginRows(), networkRows(), sessionRows(), lastRows())
}

// Of returns what a person can do about err: of several joined errors about each,
// each text once, also if another one begins with it. It is empty if nothing is known, and if who sent a signal knows.
func Of(err error, at Situation) (texts []string) {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	for _, one := range parts(err) {
		text := first(one, at)
		said := func(before string) bool { return strings.HasPrefix(before, text) }
		if text != "" && !slices.ContainsFunc(texts, said) {
			texts = append(texts, text)
		}
	}
	return texts
}

// Text is Of in one string.
func Text(err error, at Situation) string { return strings.Join(Of(err, at), "\n") }

// first is the text of the first row of the table that fits.
func first(err error, at Situation) string { return firstOf(table(), err, at) }

func firstOf(rows []row, err error, at Situation) string {
	for _, r := range rows {
		if text := r(err, at); text != "" {
			return text
		}
	}
	return ""
}

// parts are the errors that were joined, if they have no common advice.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || exit.IsConfig(err) {
		return []error{err}
	}
	return joined.Unwrap()
}

// Error is an error of a command itself, which knows best what to do.
type Error struct {
	Err  error
	Text string
}

// Give adds one of this package's texts to an error.
func Give(err error, text string) error { return &Error{err, text} }

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without the text.
func (e *Error) Unwrap() error { return e.Err }

// late is for a helper that was ended after its time.
func late(_ *process.LateError, at Situation) string {
	return "It may wait for somebody: for a password that unlocks a keyring or a key, where nobody sees it (cron, ssh). " +
		"Run it by hand as this user; " + at.key("`helper_timeout`") + " gives it more time."
}

func commandRows() []row {
	return []row{
		of(func(e *sources.Error, _ Situation) string {
			if e.Since.IsZero() {
				return brokenList
			}
			return staleList
		}),
		is[*sources.RejectedError](rejected),
		of(late),
		of(func(e *Error, _ Situation) string { return e.Text }),
		when(exit.IsUsage, usage),
	}
}

// lastRows are for what no other row fits.
func lastRows() []row {
	return []row{
		func(err error, at Situation) string {
			switch {
			case !exit.IsConfig(err):
				return ""
			case at.Running:
				return fixReload
			case at.Bare:
				return nothingHappened + "Fix this and run it again."
			}
			return nothingHappened + fixConfig
		},
		when(func(err error) bool { return exit.Of(err) == fetch.ExitSoftware }, // law 4 is what lets it promise
			"This should not happen, and nothing was deleted that is not delivered. Please report it with the output of the same command with -vv."),
	}
}
