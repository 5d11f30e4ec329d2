package fetch_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/plan"
)

// TestMailOfRun: a run promises of the next one what the failure allows.
func TestMailOfRun(t *testing.T) {
	t.Parallel()
	temp, broken := &fetch.Error{Exit: fetch.ExitTemp, Err: errors.New("later")},
		&fetch.Error{Exit: fetch.ExitIO, Err: errors.New("disk full")}
	for _, tt := range []struct {
		name string
		sum  fetch.Summary
		want string
	}{
		{"all went well", fetch.Summary{}, ""},
		{"later", fetch.Summary{Err: temp}, "this run deleted nothing from the server; the next run goes on from here"},
		{"disk full", fetch.Summary{Err: broken},
			"this run deleted nothing from the server; once this is fixed, the next run goes on from here"},
		{"stopped", fetch.Summary{Err: context.Canceled}, "this run deleted nothing from the server; the next run goes on from here"},
		{"terminated", fetch.Summary{Err: &fetch.Error{Exit: fetch.ExitTerminated, Err: context.Canceled}},
			"this run deleted nothing from the server; the next run goes on from here"},
		{"stopped at QUIT", fetch.Summary{Err: context.Canceled, Unconfirmed: 2},
			"this run may have deleted 2 delivered messages from the server, nothing else; the next run with these options deletes " +
				"what is left of them"},
		{"what an earlier run asked for", fetch.Summary{Err: temp, Deleted: 5, Before: 3},
			"this run deleted 2 delivered messages from the server, nothing else; the next run goes on from here"},
		{"planned, nothing done", fetch.Summary{Planned: true, Err: temp},
			"this run deleted nothing from the server; the next run goes on from here"},
		{"the plan does not fit", fetch.Summary{Planned: true, Err: &plan.ChangedError{}},
			"this run deleted nothing from the server; save the plan anew for what is left"},
		{"planned, cut at QUIT", fetch.Summary{Planned: true, Err: temp, Fetched: 2, Unconfirmed: 2},
			"this run may have deleted 2 delivered messages from the server, nothing else; save the plan anew for what is left"},
		{"planned, in part", fetch.Summary{Planned: true, Err: broken, Fetched: 1},
			"this run deleted nothing from the server; once this is fixed, save the plan anew for what is left"},
	} {
		if got := tt.sum.Mail(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
