package command

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// readPassword prompts on w and reads a line from the terminal in without
// echo.
func readPassword(in *os.File, w io.Writer, prompt string) (string, error) {
	fmt.Fprint(w, prompt)
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(w)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(b), nil
}
