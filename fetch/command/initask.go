package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
)

// dialogue asks a person on the terminal. Without one, or if nothing is to be
// asked, proposals are taken, and what has none is an error that names the
// option.
type dialogue struct {
	in    *os.File
	lines *bufio.Reader
	out   io.Writer
	mute  bool
}

func newDialogue(std Streams, mute bool) *dialogue {
	d := &dialogue{in: std.In, out: std.Out, mute: mute || std.In == nil || !isTerminal(std.In)}
	if !d.mute {
		d.lines = bufio.NewReader(std.In)
	}
	return d
}

// missing says which option a question stands for.
func (d *dialogue) missing(option string) error {
	return exit.Usagef("init needs %s when it cannot ask", option)
}

// line asks for one line. An empty answer takes the proposal.
func (d *dialogue) line(ctx context.Context, question, proposal, option string) (string, error) {
	if d.mute {
		if proposal == "" {
			return "", d.missing(option)
		}
		return proposal, nil
	}
	for {
		if proposal != "" {
			fmt.Fprintf(d.out, "%s [%s]: ", question, printable(proposal))
		} else {
			fmt.Fprintf(d.out, "%s: ", question)
		}
		answer, err := d.read(ctx)
		switch answer = strings.TrimSpace(answer); {
		case err != nil:
			return "", err
		case answer != "":
			return answer, nil
		case proposal != "":
			return proposal, nil
		}
	}
}

// yes asks a question that may be answered by y or n; an empty answer is yes.
func (d *dialogue) yes(ctx context.Context, question string) (bool, error) {
	for {
		answer, err := d.line(ctx, question+" (y/n)", "y", "")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}

// choose asks for one of several; the first is proposed.
func (d *dialogue) choose(ctx context.Context, question string, list []string) (int, error) {
	if d.mute {
		return 0, nil
	}
	fmt.Fprintln(d.out, question)
	for i, s := range list {
		fmt.Fprintf(d.out, "  %d) %s\n", i+1, printable(s))
	}
	for {
		answer, err := d.line(ctx, "Number", "1", "")
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(list) {
			return n - 1, nil
		}
		fmt.Fprintf(d.out, "  a number from 1 to %d, please\n", len(list))
	}
}

// secret asks without echo.
func (d *dialogue) secret(ctx context.Context, question string) (string, error) {
	if d.mute {
		return "", d.missing("MAILHAUL_PASSWORD, --password-command, --password-file or --keyring")
	}
	for {
		s, err := readPassword(ctx, d.in, d.out, question+": ")
		if err != nil || s != "" {
			return s, err
		}
	}
}

// read reads a line. The read itself cannot be interrupted: it ends with the
// process.
func (d *dialogue) read(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := d.lines.ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) {
			fmt.Fprintln(d.out)
			return "", &fetch.Error{Exit: fetch.ExitInterrupted, Err: errors.New("no more input")}
		}
		return a.text, a.err
	case <-ctx.Done():
		fmt.Fprintln(d.out)
		return "", context.Cause(ctx)
	}
}
