package command

import (
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

func showAccountJSON(e *call, a *config.Account, v *state.View) error {
	f := v.Facts()
	row := jsonline.State{Account: a.Name, ID: a.ID, Entries: v.Len(), LastListing: f.LastPoll, LastLogin: f.LastLogin,
		Auth: f.AuthName, Unlisted: len(v.Gone()), Failures: []jsonline.Failure{}, Targets: []string{}, Runs: []state.Run{}}
	row.NoPipelining, row.NoCapa = session.ServerQuirks(&f, time.Now())
	row.NoUTF8 = session.UTF8Quirk(&f, time.Now())
	row.NoBinding = session.BindingQuirk(&f, time.Now())
	for k, list := range v.Failures() {
		for _, x := range list {
			row.Failures = append(row.Failures, jsonline.Failure{UID: k.UID(), Nth: k.Nth(), Failure: x})
		}
	}
	row.Targets = append(row.Targets, v.Targets()...)
	row.Runs = append(row.Runs, v.Runs()...)
	return jsonline.Write(e.out.Out, row)
}
