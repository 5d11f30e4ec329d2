package command

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// watcher does what follows from the runs of fetch and loop: one line in the
// log, pings, alerts and metrics. It comes after the statusWriter.
type watcher struct {
	log     *slog.Logger
	status  *statusWriter
	alerts  *alerts
	hint    func(account string, err error) string
	loop    bool // nobody else tells of failures and notes
	changed chan struct{}

	mu      sync.Mutex
	began   map[string]bool
	metrics string // the metrics file
}

// statuses makes the status files of some accounts; with a metrics file, which
// is about all accounts, of all.
func (e *env) statuses(list []*fetch.Account) *statusWriter {
	w := newStatusWriter(e.stateDir)
	ids := make(map[string]string, len(list))
	if e.conf != nil && e.conf.MetricsFile != "" {
		ids = idsOf(slices.DeleteFunc(slices.Clone(e.conf.Accounts), func(a *config.Account) bool { return !a.Enabled }))
	}
	for _, a := range list {
		ids[a.Name] = a.ID
	}
	w.follow(ids)
	w.expireBy(e.expiries(e.built))
	return w
}

// expiries answers when the OAuth tokens and logins of accounts end.
func (e *env) expiries(accounts []*config.Account) func(string) (token, login time.Time) {
	with := make(map[string]*tokens)
	for _, a := range accounts {
		if a.OAuth == nil {
			continue
		}
		if t, err := e.tokens(a); err == nil {
			with[a.Name] = t
		}
	}
	return func(account string) (token, login time.Time) {
		t := with[account]
		if t == nil {
			return token, login
		}
		st, err := t.source.Status()
		if err != nil {
			return token, login
		}
		return st.ValidUntil, st.LoginUntil
	}
}

// idsOf are the IDs of accounts by name.
func idsOf(accounts []*config.Account) map[string]string {
	ids := make(map[string]string, len(accounts))
	for _, a := range accounts {
		ids[a.Name] = a.ID
	}
	return ids
}

// watch makes a watcher; finish must be called.
func (e *env) watch(w *statusWriter) *watcher {
	x := &watcher{log: e.log, status: w, hint: e.hint, alerts: newAlerts(e.log, w), changed: make(chan struct{}, 1), began: make(map[string]bool)}
	if e.conf != nil {
		x.configure(e.conf)
	}
	return x
}

// configure takes over a configuration.
func (w *watcher) configure(c *config.Config) {
	w.alerts.configure(c.Accounts)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.metrics = c.MetricsFile
}

// Report implements fetch.Reporter.
func (w *watcher) Report(e fetch.Event) {
	if e.Stage == fetch.Waiting {
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
	if !wasStopped(*s) {
		w.alerts.finished(s)
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// line logs a run. The manual lists its keys.
func (w *watcher) line(s *fetch.Summary) {
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
		if w.loop && !wasStopped(*s) {
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
		if w.loop {
			w.log.Info("note", "account", s.Account, "note", n)
		}
	}
}

// settle writes the metrics and tells people what is due.
func (w *watcher) settle() {
	w.alerts.check(time.Now())
	w.mu.Lock()
	path := w.metrics
	w.mu.Unlock()
	if path == "" {
		return
	}
	if err := writeMetricsFile(path, w.status.all()); err != nil {
		w.log.Warn("metrics file", "err", err)
	}
}

// finish settles and waits until all is sent.
func (w *watcher) finish() {
	w.settle()
	w.alerts.Close()
}

// Pauses of a watcher in a loop: metrics need not be newer, and an alert may
// fall due without any run.
const (
	settleAfter = 5 * time.Second
	alertsEvery = time.Minute
)

// keep settles after runs, not too often, until ctx is done. It calls settled
// each time.
func (w *watcher) keep(ctx context.Context, settled func()) {
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
