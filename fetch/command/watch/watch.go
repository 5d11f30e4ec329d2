package watch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// Watcher handles the results of the runs of fetch and loop: one line in the log,
// pings, alerts and metrics. It comes after StatusFiles.
type Watcher struct {
	log     *slog.Logger
	status  *StatusFiles
	alerts  *alerts
	hint    func(account string, err error) string
	version string
	Loop    bool    // nothing else reports failures and notes
	Reloads Reloads // of loop
	changed chan struct{}

	mu      sync.Mutex
	began   map[string]bool
	metrics string // the metrics file
}

// New makes a watcher; Finish must be called.
func New(log *slog.Logger, w *StatusFiles, hint func(account string, err error) string, version string) *Watcher {
	return &Watcher{log: log, status: w, hint: hint, version: version, alerts: &alerts{log: log, status: w, post: newNotifier(log, version)},
		changed: make(chan struct{}, 1), began: make(map[string]bool)}
}

// Configure sets the configuration to use.
func (w *Watcher) Configure(c *config.Config) {
	w.alerts.configure(c.Accounts)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.metrics = c.MetricsFile
}

// Report implements fetch.Reporter.
func (w *Watcher) Report(e fetch.Event) {
	if e.Stage == ledger.Waiting {
		return
	}
	w.mu.Lock()
	first := !w.began[e.Account]
	w.began[e.Account] = e.Summary == nil
	w.mu.Unlock()
	if first {
		w.alerts.started(e.Account)
	}
	s := e.Summary
	if s == nil {
		return
	}
	w.line(s)
	if !stopped(s) {
		w.alerts.finished(s)
	}
	w.change()
}

// Reloaded records an attempt to load a new configuration.
func (w *Watcher) Reloaded(err error) {
	w.Reloads.Done(time.Now(), err)
	w.change()
}

// change has Keep settle soon.
func (w *Watcher) change() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// line logs a run. The manual lists its keys.
func (w *Watcher) line(s *fetch.Summary) {
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("account", s.Account),
		slog.Int("exit", int(fetch.ExitOf(s.Err))),
		slog.Int("listed", s.Listed),
		slog.Int("fetched", s.Fetched),
		slog.Int64("bytes", s.Bytes),
		slog.Int("deleted", s.Deleted),
		slog.Int("failed", s.Failed),
		slog.Float64("seconds", float64(int64(s.Seconds*1000))/1000),
	}
	if s.Err != nil {
		if w.Loop && !stopped(s) {
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.String("err", s.Err.Error()))
		if hint := w.hint(s.Account, s.Err); hint != "" {
			attrs = append(attrs, slog.String("hint", hint))
		}
		attrs = append(attrs, slog.String("mail", s.Mail()))
	}
	w.log.LogAttrs(context.Background(), level, "run", attrs...)
	for _, n := range s.Notes {
		if w.Loop {
			w.log.Info("note", "account", s.Account, "note", n)
		}
	}
}

// settle writes the metrics and sends the alerts that are due.
func (w *Watcher) settle() {
	w.alerts.check(time.Now())
	w.mu.Lock()
	path := w.metrics
	w.mu.Unlock()
	if path == "" {
		return
	}
	if err := writeMetricsFile(path, figures{w.status.All(), &w.Reloads, w.version}); err != nil {
		w.log.Warn("metrics file", "err", err)
	}
}

// Finish settles and waits until all is sent, but not long once ctx is done.
func (w *Watcher) Finish(ctx context.Context) {
	w.settle()
	w.alerts.Close(ctx)
}

// Pauses of a watcher in a loop: metrics need not be newer, and an alert may
// fall due without any run.
const (
	settleAfter = 5 * time.Second
	alertsEvery = time.Minute
)

// Keep settles after runs, not too often, until ctx is done. It calls settled
// each time.
func (w *Watcher) Keep(ctx context.Context, settled func()) {
	tick := time.NewTicker(alertsEvery)
	defer tick.Stop()
	soon := time.NewTimer(settleAfter)
	defer soon.Stop()
	waiting := true
	for {
		select {
		case <-w.changed:
			if !waiting {
				soon.Reset(settleAfter)
				waiting = true
			}
		case <-soon.C:
			waiting = false
			w.settle()
			settled()
		case <-tick.C:
			w.alerts.check(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// stopped reports whether a signal ended a run and nothing else went wrong.
func stopped(s *fetch.Summary) bool { return errors.Is(s.Err, context.Canceled) }
