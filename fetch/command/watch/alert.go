package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

// FailingSince is the time of the last success of an account that fails. A time in
// the future was written under a wrong clock: then it is the time of the first run.
func FailingSince(s *state.StatusFile, now time.Time) time.Time {
	since := s.Failing()
	if since.After(now) && s.Since.Before(now) {
		return s.Since
	}
	return since
}

// alertDue decides whether an alert is sent about an account: once when it has had
// no success for that long, and once when it has one again.
func alertDue(s *state.StatusFile, after time.Duration, now time.Time) (event string, due bool) {
	since := FailingSince(s, now)
	switch {
	case since.IsZero() && !s.Alerted.IsZero() && s.LastRun != nil:
		return jsonline.Recovered, true
	case since.IsZero() || !s.Alerted.IsZero() || now.Sub(since) < after:
		return "", false
	}
	return jsonline.NoSuccess, true
}

// Overdue reports whether an account has had no success for too long, whether or
// not an alert was sent.
func Overdue(s *state.StatusFile, after time.Duration, now time.Time) bool {
	since := FailingSince(s, now)
	return !since.IsZero() && now.Sub(since) >= after
}

func newNotice(event string, s *state.StatusFile, now time.Time) jsonline.Notice {
	n := jsonline.Notice{Event: event, Account: s.Account, LastSuccess: s.LastSuccess}
	if s.LastRun != nil {
		n.LastRun, n.Exit, n.Error = s.LastRun.Started, s.LastRun.Exit, s.LastRun.Error
	}
	if event == jsonline.Recovered {
		n.Text = fmt.Sprintf("mailhaul: %s works again", s.Account)
		return n
	}
	n.Since = FailingSince(s, now)
	n.Text = fmt.Sprintf("mailhaul: %s has had no success for %s: %s", s.Account,
		now.Sub(n.Since).Round(time.Minute), term.Printable(n.Error))
	return n
}

// alerts watches the outcomes of runs and sends alerts. It sends in the
// background: no run waits for a webhook.
type alerts struct {
	log    *slog.Logger
	status *StatusFiles
	post   *notifier

	mu       sync.Mutex
	accounts map[string]*config.Account
}

// Configure replaces the accounts that are watched.
func (a *alerts) configure(accounts []*config.Account) {
	m := make(map[string]*config.Account, len(accounts))
	for _, c := range accounts {
		m[c.Name] = c
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts = m
}

func (a *alerts) watched() map[string]*config.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.accounts // replaced as a whole, never changed
}

// started pings that a run begins.
func (a *alerts) started(account string) {
	if c := a.watched()[account]; c != nil && c.Alert.Ping != "" {
		a.post.send(account, func(ctx context.Context) error { return a.post.ping(ctx, c.Alert.Ping, "start", "") })
	}
}

// finished pings the outcome of a run.
func (a *alerts) finished(s *fetch.Summary) {
	c := a.watched()[s.Account]
	if c == nil || c.Alert.Ping == "" {
		return
	}
	how, reason := "", fmt.Sprintf("%d fetched, %d failed", s.Fetched, s.Failed)
	if s.Err != nil {
		how, reason = "fail", term.Printable(s.Err.Error())
		if hint := advice.Text(s.Err, advice.SituationOf(c, false)); hint != "" {
			reason += "\nhint: " + term.Printable(hint)
		}
	}
	a.post.send(s.Account, func(ctx context.Context) error { return a.post.ping(ctx, c.Alert.Ping, how, reason) })
}

// check sends an alert for each account for which one is due.
func (a *alerts) check(now time.Time) {
	for name, c := range a.watched() {
		if len(c.Alert.Command) == 0 && c.Alert.Webhook == "" {
			continue
		}
		s, ok := a.status.Get(name)
		if _, due := alertDue(&s, c.Alert.After, now); !ok || !due {
			continue
		}
		s, _ = a.status.fresh(name) // another process may have had a success, or sent the alert
		event, due := alertDue(&s, c.Alert.After, now)
		if !due {
			continue
		}
		told := now
		if event == jsonline.Recovered {
			told = time.Time{}
		}
		a.status.alerted(name, told)
		a.log.Warn("alert", "account", name, "event", event)
		a.tell(c, newNotice(event, &s, now))
	}
}

func (a *alerts) tell(c *config.Account, n jsonline.Notice) {
	if len(c.Alert.Command) > 0 {
		a.post.send(c.Name, func(ctx context.Context) error { return runAlert(ctx, c.Alert.Command, c.Helper, n) })
	}
	if c.Alert.Webhook != "" {
		a.post.send(c.Name, func(ctx context.Context) error { return a.post.webhook(ctx, c.Alert.Webhook, n) })
	}
}

// Close waits until all alerts are sent or given up, which is soon once ctx is done.
func (a *alerts) Close(ctx context.Context) { a.post.Close(ctx) }
