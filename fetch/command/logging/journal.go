package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// logHandler writes JSON, or text, which the systemd journal gets with the
// priorities that it reads from the start of a line (sd-daemon(3)) and without
// the time, which it has itself.
func logHandler(w io.Writer, json bool, o *slog.HandlerOptions) slog.Handler {
	switch {
	case json:
		return slog.NewJSONHandler(w, o)
	case !onJournal(w, os.Getenv("JOURNAL_STREAM")):
		return slog.NewTextHandler(w, o)
	}
	return newJournal(w, o)
}

// journal is a slog.Handler that puts "<6>" and the like before each line.
type journal struct {
	*journalOut
	text slog.Handler // writes to line
}

type journalOut struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
}

func newJournal(w io.Writer, o *slog.HandlerOptions) journal {
	timeless := *o
	timeless.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return o.ReplaceAttr(groups, a)
	}
	out := &journalOut{w: w}
	return journal{out, slog.NewTextHandler(&out.line, &timeless)}
}

// Enabled implements slog.Handler.
func (j journal) Enabled(ctx context.Context, l slog.Level) bool { return j.text.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line.Reset()
	fmt.Fprintf(&j.line, "<%d>", priority(r.Level))
	if err := j.text.Handle(ctx, r); err != nil {
		return err
	}
	_, err := j.w.Write(j.line.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journal{j.journalOut, j.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (j journal) WithGroup(name string) slog.Handler {
	return journal{j.journalOut, j.text.WithGroup(name)}
}

// priority is a level in syslog's numbers.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
