// Package exit has the errors of the command line, and is the one place beside
// [fetch.ExitOf] that decides a process's exit code.
package exit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
)

// Code maps a command's error to the process's exit code. A signal wins, so
// that its sender knows that it cut the work short.
func Code(ctx context.Context, err error) fetch.Exit {
	var sig Signal
	if err != nil && !errors.As(err, new(settled)) && errors.As(context.Cause(ctx), &sig) {
		return sig.Exit()
	}
	return Of(err)
}

// Of is Code for a run that no signal ended.
func Of(err error) fetch.Exit {
	var quiet printed
	var help interface{ ExitCode() int } // of the library: no such help topic; an *exec.ExitError is one, too
	switch {
	case err == nil:
		return fetch.ExitOK
	case errors.As(err, &quiet):
		return quiet.code
	case IsUsage(err), errors.As(err, &help) && !errors.As(err, new(*exec.ExitError)):
		return fetch.ExitUsage
	case IsConfig(err):
		return fetch.ExitConfig
	}
	return fetch.ExitOf(err)
}

// Worst is the end of work on several accounts whose errors are printed: the
// worst of their codes, or nil.
func Worst(errs []error) error {
	if code := worst(errs); code != fetch.ExitOK {
		return printed{code}
	}
	return nil
}

// Settled is Worst for work that is complete: a signal that came does not change
// its code.
func Settled(errs []error) error {
	if code := worst(errs); code != fetch.ExitOK {
		return settled{printed{code}}
	}
	return nil
}

func worst(errs []error) fetch.Exit {
	codes := make([]fetch.Exit, len(errs))
	for i, err := range errs {
		codes[i] = fetch.ExitOf(err)
	}
	return fetch.Worst(codes)
}

// Printed is the end of a command that has printed its error, or says all in its
// result: only the code counts.
func Printed(code fetch.Exit) error { return printed{code} }

// IsPrinted reports whether err needs no more words.
func IsPrinted(err error) bool { return errors.As(err, new(printed)) }

type printed struct{ code fetch.Exit }

func (s printed) Error() string { return fmt.Sprintf("exit %d", s.code) }

type settled struct{ printed }

func (f settled) Unwrap() error { return f.printed }

// Usage marks err as a wrong use of the command line.
func Usage(err error) error { return usage{err} }

// Usagef is Usage with a text.
func Usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// IsUsage reports whether err is a wrong use of the command line.
func IsUsage(err error) bool { return errors.As(err, new(usage)) }

type usage struct{ err error }

func (e usage) Error() string { return e.err.Error() }
func (e usage) Unwrap() error { return e.err }

// Config marks err as a mistake in the configuration: exit 78.
func Config(err error) error { return configuration{err} }

// IsConfig reports whether err is a mistake in the configuration.
func IsConfig(err error) bool {
	return errors.As(err, new(configuration)) || errors.As(err, new(config.Errors))
}

type configuration struct{ err error }

func (e configuration) Error() string { return e.err.Error() }
func (e configuration) Unwrap() error { return e.err }

// Stopped is the end of a command by a signal; mail says what that means.
func Stopped(mail string) error { return stopped{"stopped", mail} }

// Cancelled is the end of a command whose question got no answer: by Ctrl-C,
// Ctrl-D, or because the terminal was closed. Nothing was done before the question.
func Cancelled() error { return CancelledBut("nothing was written") }

// CancelledBut is Cancelled for a command that did something before it asked;
// state says what is true now.
func CancelledBut(state string) error { return stopped{"cancelled", state} }

// IsStopped reports whether err is only that a signal came.
func IsStopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// Stop returns err as one that Stopped made; mail is what it means if err says
// nothing about that. It is nil unless a signal was the reason.
func Stop(err error, mail string) error {
	var s stopped
	switch {
	case errors.As(err, &s):
		return s
	case errors.Is(err, context.Canceled):
		return Stopped(mail)
	}
	return nil
}

type stopped struct{ how, state string }

func (s stopped) Error() string { return s.how + "; " + s.state }
func (s stopped) Unwrap() error { return context.Canceled }

// The failures that commands find themselves, by what happened.

// TryLater: a later run may succeed.
func TryLater(err error) error { return &fetch.Error{Exit: fetch.ExitTemp, Err: err} }

// InUse: another run works on the maildrop.
func InUse(err error) error {
	return &fetch.Error{Exit: fetch.ExitTemp, Why: fetch.WhyInUse, Err: err}
}

// BadData: what was read is not what it should be.
func BadData(err error) error { return &fetch.Error{Exit: fetch.ExitData, Err: err} }

// CannotWrite: a file cannot be made or replaced.
func CannotWrite(err error) error { return &fetch.Error{Exit: fetch.ExitCannotWrite, Err: err} }

// Setting: the account's configuration does not allow what the command does.
func Setting(err error) error { return &fetch.Error{Exit: fetch.ExitConfig, Err: err} }

// NoLogin: a password, a token or a login is missing or refused.
func NoLogin(err error) error { return &fetch.Error{Exit: fetch.ExitAuth, Err: err} }

// NoService: there is no POP3 server to ask.
func NoService(err error) error { return &fetch.Error{Exit: fetch.ExitUnavailable, Err: err} }

// Token gives an error of package oauth its exit code.
func Token(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	out := &fetch.Error{Exit: fetch.ExitAuth, Err: err}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		switch e.Kind {
		case oauth.KindTemporary:
			out.Exit = fetch.ExitTemp
		case oauth.KindConfig:
			out.Exit = fetch.ExitConfig
		case oauth.KindProtocol:
			out.Exit = fetch.ExitProtocol
		case oauth.KindStorage:
			out.Exit = fetch.ExitIO
		}
	}
	return out
}

// Fetchmail is the end of printed runs with the exit code that fetchmail(1) would
// give; fetched tells whether any of them fetched a message.
func Fetchmail(errs []error, fetched bool) error {
	last := fetch.Exit(1) // no mail
	for _, err := range errs {
		if code, ok := fetchmailCodes[fetch.ExitOf(err)]; ok {
			last = code
		}
	}
	if fetched {
		last = fetch.ExitOK
	}
	return printed{last}
}

// fetchmailCodes translates; what is missing is "no mail", 1.
var fetchmailCodes = map[fetch.Exit]fetch.Exit{
	fetch.ExitUnavailable: 2,
	fetch.ExitAuth:        3,
	fetch.ExitProtocol:    4,
	fetch.ExitConfig:      5,
	fetch.ExitData:        10,
	fetch.ExitCannotWrite: 10,
	fetch.ExitIO:          10,
	fetch.ExitTemp:        9,
	fetch.ExitSoftware:    23,
}

// Word is the result of a run in a word or two, for tables.
func Word(code fetch.Exit) string {
	if word, ok := words[code]; ok {
		return word
	}
	return "failed"
}

var words = map[fetch.Exit]string{
	fetch.ExitOK:          "ok",
	fetch.ExitData:        "partial",
	fetch.ExitUnavailable: "connection",
	fetch.ExitSoftware:    "bug",
	fetch.ExitCannotWrite: "cannot write",
	fetch.ExitIO:          "I/O error",
	fetch.ExitTemp:        "try later",
	fetch.ExitProtocol:    "protocol",
	fetch.ExitAuth:        "refused",
	fetch.ExitConfig:      "config",
	fetch.ExitInterrupted: "stopped",
	fetch.ExitTerminated:  "stopped",
}

// Signal is the cause of a context that a signal ended. It is a
// [context.Canceled].
type Signal struct{ os.Signal }

func (s Signal) Error() string { return s.Signal.String() }

// Is makes a Signal what the end of a context is.
func (Signal) Is(target error) bool { return target == context.Canceled }

// Exit is the exit code that shows the sender of s that it cut the work short.
func (s Signal) Exit() fetch.Exit {
	if s.Signal == os.Interrupt {
		return fetch.ExitInterrupted
	}
	return fetch.ExitTerminated
}

// Context is that of the process: it ends at the first SIGINT, SIGTERM or SIGHUP
// (the terminal was closed; nohup has it ignored). A second SIGINT or SIGTERM ends
// the process, which is safe, because a crash is.
func Context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		sig := <-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM) // a terminal that is closed may send SIGHUP twice
		cancel(Signal{sig})
	}()
	return ctx, func() { cancel(nil) }
}
