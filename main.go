// Command mailhaul retrieves mail from POP3 servers, each message once.
package main

import (
	"os"

	"github.com/mailhaul/mailhaul/fetch/command"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := exit.Context()
	defer cancel()
	return command.Main(ctx, os.Args, term.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Alone: true})
}
