package pipe

import (
	"log/slog"
	"time"
)

// Kind is the Intent.Kind of this package.
const Kind = "pipe"

// LineEnds says how lines end on the command's standard input.
type LineEnds uint8

const (
	// LF is what programs on Unix expect.
	LF LineEnds = iota
	// CRLF is how the message came over the wire.
	CRLF
)

// String names it as people do.
func (l LineEnds) String() string {
	return [...]string{"lf", "crlf"}[min(l, CRLF)]
}

// Options describe one command. They are not changed after New.
type Options struct {
	// Command is the program, absolute or looked up in PATH, and its
	// arguments.
	Command []string
	// Env are further "NAME=value" for its environment, which is otherwise
	// PATH, HOME, USER, LOGNAME, LANG, LC_ALL, TZ and TMPDIR as we have them,
	// and SENDER, RECIPIENT, MAILHAUL_ACCOUNT and MAILHAUL_UID.
	Env []string
	// To are the recipients for envelopes that name none. The command runs
	// once whatever their number; RECIPIENT has them with commas between.
	To []string
	// LineEnds are those of the message on standard input.
	LineEnds LineEnds
	// Timeout ends the command's process group; zero: 5 minutes.
	Timeout time.Duration
	// Grace is how long the group has between SIGTERM and SIGKILL, and how
	// long output held open by a background process is waited for; zero: 5 s.
	Grace time.Duration
	// Logger gets warnings. Nil: none.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.Grace <= 0 {
		o.Grace = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
