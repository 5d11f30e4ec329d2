// Command mailhaul retrieves mail from POP3 servers, each message once.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mailhaul/mailhaul/fetch/command"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-signals
		signal.Stop(signals) // a second signal ends the process: safe, because a crash is
		cancel(exit.Signal{Signal: sig})
	}()
	return command.Main(ctx, os.Args, term.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Alone: true})
}
