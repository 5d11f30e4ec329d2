package command

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// readPassword prompts on w and reads a line from the terminal in without
// echo. When ctx ends the echo is back on; the read itself cannot be
// interrupted, it ends with the process.
func readPassword(ctx context.Context, in *os.File, w io.Writer, prompt string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("the password cannot be read from this terminal: %w", err)
	}
	fmt.Fprint(w, prompt)
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(in.Fd()))
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(w)
		if a.err != nil {
			return "", fmt.Errorf("the password cannot be read from this terminal: %w", a.err)
		}
		return string(a.text), nil
	case <-ctx.Done():
		_ = term.Restore(int(in.Fd()), before)
		fmt.Fprintln(w)
		return "", context.Cause(ctx)
	}
}
