// Package logging makes the log: text for a terminal, JSON, or lines for the
// systemd journal.
package logging

import (
	"context"
	"io"
	"log/slog"

	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// Options are what the log shows, and how.
type Options struct {
	Level    slog.Level
	JSON     bool
	Terminal bool // a person watches
}

// New makes a log that writes to w.
func New(w io.Writer, o Options) *slog.Logger {
	return slog.New(logHandler(w, o.JSON, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: cleanAttr(o.Terminal)}))
}

// Only is a log with the records of log that keep accepts.
func Only(log *slog.Logger, keep func(slog.Record) bool) *slog.Logger {
	return slog.New(filter{log.Handler(), keep})
}

type filter struct {
	slog.Handler
	keep func(slog.Record) bool
}

// Handle implements slog.Handler.
func (f filter) Handle(ctx context.Context, r slog.Record) error {
	if !f.keep(r) {
		return nil
	}
	return f.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (f filter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return filter{f.Handler.WithAttrs(attrs), f.keep}
}

// WithGroup implements slog.Handler.
func (f filter) WithGroup(name string) slog.Handler { return filter{f.Handler.WithGroup(name), f.keep} }

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
