package exit

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mailhaul/mailhaul/fetch"
)

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
