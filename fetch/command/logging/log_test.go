package logging

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestFilter: the filter holds for loggers that are made of the first.
func TestFilter(t *testing.T) {
	var b bytes.Buffer
	l := Only(slog.New(slog.NewTextHandler(&b, nil)), func(r slog.Record) bool { return r.Message == "other" })
	for _, l := range []*slog.Logger{l, l.With("a", 1), l.WithGroup("g"), l.WithGroup("g").With("a", 1)} {
		l.Warn("target stopped")
		l.Warn("other")
	}
	if got := b.String(); strings.Count(got, "msg=other") != 4 || strings.Count(got, "\n") != 4 {
		t.Error(got)
	}
}

// TestJournal asks for the priorities of sd-daemon(3) and one write a line.
func TestJournal(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newJournal(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: cleanAttr(false)}))
	log.With("account", "a").Info("run", "err", "x\x1b[2J")
	log.Warn("w")
	log.WithGroup("g").Error("e", "k", 1)
	log.Debug("d")
	want := "<6>msg=run account=a err=x\\x1b[2J\n<4>msg=w\n<3>msg=e g.k=1\n<7>msg=d\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	if onJournal(os.Stderr, "") || onJournal(os.Stderr, "1:1") || onJournal(&b, "1:1") {
		t.Error("no journal there")
	}
}
