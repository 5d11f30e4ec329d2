package command

import (
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/watch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/sources"
)

// statuses makes the status files of some accounts; with a metrics file, which
// is about all accounts, of all.
func (e *call) statuses(list []*fetch.Account) *watch.StatusFiles {
	w := watch.NewStatusFiles(e.builder.StateDir)
	ids := make(map[string]string, len(list))
	if e.conf != nil && e.conf.MetricsFile != "" {
		ids = idsOf(slices.DeleteFunc(slices.Clone(e.conf.Accounts), func(a *config.Account) bool { return !a.Enabled }))
	}
	for _, a := range list {
		ids[a.Name] = a.ID
	}
	w.Follow(ids)
	w.ExpireBy(expiries(e.builder, e.chosen))
	return w
}

// expiries answers when the OAuth tokens and logins of accounts end: of several, those
// of targets included, the first one that does.
func expiries(b *account.Builder, accounts []*config.Account) func(string) (token, login time.Time) {
	with := make(map[string][]*account.Tokens)
	for _, a := range accounts {
		for _, o := range target.Logins(a) {
			if t, err := b.Tokens(o); err == nil {
				with[a.Name] = append(with[a.Name], t)
			}
		}
	}
	return func(account string) (token, login time.Time) {
		for _, t := range with[account] {
			if st, err := t.Source.Status(); err == nil {
				token, login = sooner(token, st.ValidUntil), sooner(login, st.LoginUntil)
			}
		}
		return token, login
	}
}

// sooner is the first of two times, of which the zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// idsOf are the IDs of accounts by name.
func idsOf(accounts []*config.Account) map[string]string {
	ids := make(map[string]string, len(accounts))
	for _, a := range accounts {
		ids[a.Name] = a.ID
	}
	return ids
}

// sources are what is known of the sources of accounts.
func (e *call) sources() func() []sources.Status {
	dir, conf := sourcesDir(e.builder.StateDir), e.conf
	return func() []sources.Status { return sources.Statuses(dir, conf) }
}

// results makes what gets the results of runs; Close must be called.
func (e *call) results() *watch.Results {
	r := watch.NewResults(e.log, version(), func(s *fetch.Summary) any { return summaryRow(s, e.hint) })
	if e.conf != nil {
		r.Configure(&e.conf.Result)
	}
	return r
}

// watch makes a watcher; finish must be called.
func (e *call) watch(w *watch.StatusFiles, loop bool) *watch.Watcher {
	x := watch.New(e.log, w, e.hint, version())
	x.Loop = loop
	if e.conf != nil {
		x.Configure(e.conf)
		x.Reloads.Follow(e.sources())
	}
	return x
}
