package term

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"golang.org/x/term"
)

// ReadPassword prompts on w and reads a line from the terminal in without
// echo. When ctx ends the echo is back on; the read itself cannot be
// interrupted, it ends with the process.
func ReadPassword(ctx context.Context, in *os.File, w io.Writer, prompt string) (string, error) {
	if ctx.Err() != nil {
		return "", exit.Cancelled()
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("the password cannot be read from this terminal: %w", err)
	}
	read := func() (string, error) { // turns the echo off by itself, who knows when
		text, err := term.ReadPassword(int(in.Fd()))
		return string(text), err
	}
	if silence(in) {
		read = func() (string, error) { return ReadLine(in) }
	}
	fmt.Fprint(w, prompt)
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	_ = term.Restore(int(in.Fd()), before)
	fmt.Fprintln(w)
	if a.err != nil {
		return "", exit.Cancelled()
	}
	return a.text, nil
}

// ReadLine reads a line that comes as it is typed (see [LongLines]): the keys that
// edit a line and end the input are characters in it.
func ReadLine(in io.Reader) (string, error) {
	const endOfInput = 0x04 // ^D
	r := bufio.NewReader(in)
	var line []byte
	for {
		c, err := r.ReadByte()
		switch {
		case err == nil && c == endOfInput && len(line) == 0:
			return "", io.EOF
		case err != nil || c == '\n':
			return edited(string(line)), err
		}
		line = append(line, c)
	}
}

// edited applies the backspaces of a line that came without line editing.
func edited(line string) string {
	if !strings.ContainsAny(line, "\b\x7f\x15") {
		return line
	}
	var out []rune
	for _, r := range line {
		switch {
		case r == 0x15: // ^U
			out = out[:0]
		case r != '\b' && r != 0x7f:
			out = append(out, r)
		case len(out) > 0:
			out = out[:len(out)-1]
		}
	}
	return string(out)
}

// Password asks on the terminal; nothing is echoed.
func (s Streams) Password(ctx context.Context, prompt string) (string, error) {
	if s.In == nil || !IsTerminal(s.In) {
		return "", exit.NoLogin(advice.Give(errors.New("no password given, and no terminal to ask on"), advice.NoPassword))
	}
	password, err := ReadPassword(ctx, s.In, s.Err, prompt)
	if exit.Stop(err, "") != nil {
		err = exit.CancelledBut("no mail was fetched or deleted")
	}
	return password, err
}
