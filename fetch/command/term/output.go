package term

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
)

// Output is where a command prints, and how the global options want it.
type Output struct {
	Streams
	JSON, Quiet bool
	Verbose     int     // how often -v was given
	Color       bool    // marks on standard output may have colours
	Control     bool    // the terminal behind standard error understands control sequences
	Bars        bool    // progress bars are wanted and possible
	Screen      *Screen // the terminal behind standard error; nil if there is none

	tty *os.File // the terminal on standard output; nil if there is none
}

// NewOutput prints to std. It takes JSON, Quiet and Verbose as they are.
func NewOutput(std Streams, json, quiet bool, verbose int, noColor, noProgress bool) *Output {
	o := &Output{Streams: std, JSON: json, Quiet: quiet, Verbose: verbose}
	o.tty = terminalOf(std.Out)
	dumb := isDumb()
	o.Color = o.tty != nil && !noColor && os.Getenv("NO_COLOR") == "" && !dumb
	if IsTerminal(std.Err) {
		o.Screen = &Screen{W: std.Err}
		o.Err = o.Screen
		if IsTerminal(std.Out) {
			o.Out = o.Screen
		}
	}
	o.Control = o.Screen != nil && !dumb
	o.Bars = o.Control && !quiet && verbose == 0 && !noProgress
	return o
}

// ToErr is o for what is no result: text on standard error.
func (o *Output) ToErr() *Output {
	c := *o
	c.JSON, c.Out, c.tty = false, c.Err, nil
	return &c
}

// Closed reports whether standard error was a terminal that is gone.
func (o *Output) Closed() bool { return o.Screen != nil && !IsTerminal(o.Screen.W) }

// Width is that of the terminal on standard output, 0 if there is none: output
// is then neither shortened nor folded, because programs read it.
func (o *Output) Width() int { return width(o.tty) }

// Row prints a result: the object as JSON, or else a line of text.
func (o *Output) Row(object any, text string) error {
	if o.JSON {
		return jsonline.Write(o.Out, object)
	}
	_, err := fmt.Fprintln(o.Out, text)
	return err
}

// Notes prints what a person should know of a run.
func (o *Output) Notes(account string, notes []string) {
	if o.Quiet {
		return
	}
	for _, n := range notes {
		fmt.Fprintf(o.Err, "mailhaul: %s: note: %s\n", Printable(account), Printable(n))
	}
}

// Failure prints an error, what to do about it, and what it means for the mail.
// Account is empty if the error is no account's.
func Failure(w io.Writer, account string, err error, hints []string, mail string) {
	prefix := "mailhaul: "
	if account != "" {
		prefix += Printable(account) + ": "
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i > 0 {
			prefix = "  "
		}
		fmt.Fprintln(w, prefix+Printable(line))
	}
	for _, hint := range hints {
		for i, line := range strings.Split(hint, "\n") {
			fmt.Fprintln(w, [2]string{"  hint: ", "        "}[min(i, 1)]+Printable(line))
		}
	}
	if mail != "" {
		fmt.Fprintln(w, "  mail: "+Printable(mail))
	}
}
