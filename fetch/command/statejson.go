package command

import (
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

// accountJSON is an account's state on stdout of `state show --json`.
type accountJSON struct {
	Account      string        `json:"account"`
	ID           string        `json:"id"`
	Entries      int           `json:"entries"`
	LastListing  time.Time     `json:"last_listing,omitzero"`
	LastLogin    time.Time     `json:"last_login,omitzero"`
	Auth         string        `json:"auth,omitempty"`
	Unlisted     int           `json:"unlisted"`
	NoPipelining time.Time     `json:"no_pipelining_until,omitzero"`
	NoCapa       time.Time     `json:"no_capa_until,omitzero"`
	NoUTF8       time.Time     `json:"no_utf8_until,omitzero"`
	NoBinding    time.Time     `json:"no_binding_until,omitzero"`
	Failures     []failureJSON `json:"failures"`
	Targets      []string      `json:"targets"`
	Runs         []state.Run   `json:"runs"`
}

// failureJSON is one message that failed and is tried again.
type failureJSON struct {
	UID string `json:"uid"`
	Nth int    `json:"nth,omitempty"`
	state.Failure
}

func showAccountJSON(e *env, a *config.Account, v *state.View) error {
	f := v.Facts()
	row := accountJSON{Account: a.Name, ID: a.ID, Entries: v.Len(), LastListing: f.LastPoll, LastLogin: f.LastLogin,
		Auth: f.AuthName, Unlisted: len(v.Gone()), Failures: []failureJSON{}, Targets: []string{}, Runs: []state.Run{}}
	row.NoPipelining, row.NoCapa = fetch.ServerQuirks(&f, time.Now())
	row.NoUTF8 = fetch.UTF8Quirk(&f, time.Now())
	row.NoBinding = fetch.BindingQuirk(&f, time.Now())
	for k, list := range v.Failures() {
		for _, x := range list {
			row.Failures = append(row.Failures, failureJSON{UID: k.UID(), Nth: k.Nth(), Failure: x})
		}
	}
	row.Targets = append(row.Targets, v.Targets()...)
	row.Runs = append(row.Runs, v.Runs()...)
	return writeJSON(e.std.Out, row)
}

// changed tells what was done to the seen-list: the counts under --json, else
// the text.
func (e *env) changed(counts any, text string) error {
	if e.json {
		return writeJSON(e.std.Out, counts)
	}
	_, err := e.std.Out.Write([]byte(text + "\n"))
	return err
}
