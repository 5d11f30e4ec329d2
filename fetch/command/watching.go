package command

import (
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/watch"
	"github.com/mailhaul/mailhaul/fetch/config"
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
	w.ExpireBy(e.expiries(e.chosen))
	return w
}

// expiries answers when the OAuth tokens and logins of accounts end.
func (e *call) expiries(accounts []*config.Account) func(string) (token, login time.Time) {
	with := make(map[string]*account.Tokens)
	for _, a := range accounts {
		if a.OAuth == nil {
			continue
		}
		if t, err := e.builder.Tokens(a.OAuth); err == nil {
			with[a.Name] = t
		}
	}
	return func(account string) (token, login time.Time) {
		t := with[account]
		if t == nil {
			return token, login
		}
		st, err := t.Source.Status()
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
func (e *call) watch(w *watch.StatusFiles, loop bool) *watch.Watcher {
	x := watch.New(e.log, w, e.hint, version())
	x.Loop = loop
	if e.conf != nil {
		x.Configure(e.conf)
	}
	return x
}
