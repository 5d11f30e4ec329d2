package term

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
)

// Dialogue asks a person on the terminal. Without one, or if nothing is to be
// asked, proposals are taken, and what has none is an error that names the
// option.
type Dialogue struct {
	in    *os.File
	Lines *bufio.Reader
	out   io.Writer
	Mute  bool
}

func NewDialogue(std Streams, mute bool) *Dialogue {
	d := &Dialogue{in: std.In, out: std.Out, Mute: mute || std.In == nil || !IsTerminal(std.In)}
	if !d.Mute {
		d.Lines = bufio.NewReader(std.In)
	}
	return d
}

// missing says which option a question stands for.
func (d *Dialogue) missing(option string) error {
	return exit.Usagef("init needs %s when it cannot ask", option)
}

// Line asks for one line. An empty answer takes the proposal.
func (d *Dialogue) Line(ctx context.Context, question, proposal, option string) (string, error) {
	if d.Mute {
		if proposal == "" {
			return "", d.missing(option)
		}
		return proposal, nil
	}
	for {
		if proposal != "" {
			fmt.Fprintf(d.out, "%s [%s]: ", question, Printable(proposal))
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

// Yes asks a question that may be answered by y or n; an empty answer is yes.
func (d *Dialogue) Yes(ctx context.Context, question string) (bool, error) {
	return d.yesOrNo(ctx, question, "y")
}

// Sure is Yes for what cannot be undone: an empty answer is no.
func (d *Dialogue) Sure(ctx context.Context, question string) (bool, error) {
	return d.yesOrNo(ctx, question, "n")
}

func (d *Dialogue) yesOrNo(ctx context.Context, question, proposal string) (bool, error) {
	for {
		answer, err := d.Line(ctx, question+" (y/n)", proposal, "")
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

// Choose asks for one of several; the first is proposed.
func (d *Dialogue) Choose(ctx context.Context, question string, list []string) (int, error) {
	return d.ChooseFrom(ctx, question, list, 0)
}

// ChooseFrom is Choose where another one is proposed.
func (d *Dialogue) ChooseFrom(ctx context.Context, question string, list []string, proposal int) (int, error) {
	if d.Mute {
		return proposal, nil
	}
	fmt.Fprintln(d.out, question)
	for i, s := range list {
		fmt.Fprintf(d.out, "  %d) %s\n", i+1, Printable(s))
	}
	for {
		answer, err := d.Line(ctx, "Number", strconv.Itoa(proposal+1), "")
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(list) {
			return n - 1, nil
		}
		fmt.Fprintf(d.out, "  a number from 1 to %d, please\n", len(list))
	}
}

// Secret asks without echo.
func (d *Dialogue) Secret(ctx context.Context, question string) (string, error) {
	if d.Mute {
		return "", d.missing("MAILHAUL_PASSWORD, --password-command, --password-file or --keyring")
	}
	for {
		s, err := ReadPassword(ctx, d.in, d.out, question+": ")
		if err != nil || s != "" {
			return s, err
		}
	}
}

// read reads a line. The read itself cannot be interrupted: it ends with the
// process. Its error is that of a person who gives no answer.
func (d *Dialogue) read(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := d.Lines.ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if a.err == nil {
			return a.text, nil
		}
	case <-ctx.Done():
	}
	fmt.Fprintln(d.out)
	return "", exit.Cancelled()
}
