package command

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestWithoutFailures: the filter holds for loggers that are made of the first.
func TestWithoutFailures(t *testing.T) {
	var b bytes.Buffer
	l := slog.New(withoutFailures{slog.NewTextHandler(&b, nil)})
	for _, l := range []*slog.Logger{l, l.With("a", 1), l.WithGroup("g"), l.WithGroup("g").With("a", 1)} {
		l.Warn("target stopped")
		l.Warn("message failed")
		l.Warn("other")
	}
	if got := b.String(); strings.Count(got, "msg=other") != 4 || strings.Count(got, "\n") != 4 {
		t.Error(got)
	}
}
