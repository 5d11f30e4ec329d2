package command

import (
	"context"
	"io"
	"log/slog"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/urfave/cli/v2"
)

// newLogger makes the log on stderr. Without -v only warnings show; -vv also
// shows the dialogue with the server, which package pop3 has already redacted.
func newLogger(c *cli.Context, w io.Writer, onTerminal bool) (*slog.Logger, error) {
	level := slog.LevelWarn
	switch n := c.Count("verbose"); {
	case c.Bool("quiet"):
		level = slog.LevelError + 1
	case n == 1:
		level = slog.LevelInfo
	case n > 1:
		level = slog.LevelDebug
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: cleanAttr(onTerminal)}
	switch f := c.String("log-format"); f {
	case "text", "json":
		return slog.New(logHandler(w, f == "json", o)), nil
	default:
		return nil, exit.Usagef("--log-format is text or json, not %q", f)
	}
}

// withoutFailures is a handler without the lines that say of a target or a
// message what the end of the run says again.
type withoutFailures struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutFailures) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "target stopped" || r.Message == "message failed" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withoutFailures) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutFailures{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutFailures) WithGroup(name string) slog.Handler {
	return withoutFailures{h.Handler.WithGroup(name)}
}

// cleanAttr keeps foreign text from steering a terminal, and leaves out the
// time where a person watches.
func cleanAttr(onTerminal bool) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if onTerminal && len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		switch v := a.Value.Any().(type) {
		case string:
			a.Value = slog.StringValue(term.Printable(v))
		case error:
			a.Value = slog.StringValue(term.Printable(v.Error()))
		}
		return a
	}
}
